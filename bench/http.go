package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// requestLatency measures how long it takes from a POST to the answer of the GET that waits for the result, one task after
// the other, with API and worker as processes of their own.
func requestLatency(ctx context.Context, b *bench, _ system) ([]float64, error) {
	url, stop, err := b.startPrograms(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	for range b.scaled(50) { // until connections are open and all has run once
		if err := roundTrip(ctx, url); err != nil {
			return nil, err
		}
	}
	took := make([]time.Duration, b.scaled(1000))
	for i := range took {
		start := time.Now()
		if err := roundTrip(ctx, url); err != nil {
			return nil, err
		}
		took[i] = time.Since(start)
	}
	return []float64{quantile(took, 0.50), quantile(took, 0.99)}, nil
}

// startPrograms starts API and worker.
func (b *bench) startPrograms(ctx context.Context) (url string, stop func(), err error) {
	worker, err := b.startOwn(ctx, "worker")
	if err != nil {
		return "", nil, err
	}
	api, err := b.startAPI(ctx)
	if err != nil {
		worker.stop()
		return "", nil, err
	}
	return api.url, func() { api.stop(); worker.stop() }, nil
}

func (b *bench) startAPI(ctx context.Context) (*program, error) { return b.startOwn(ctx, "api") }

// startOwn builds one of our programs and starts it on the Redis of the benchmark, with settings of its own.
func (b *bench) startOwn(ctx context.Context, name string, settings ...string) (*program, error) {
	dir := b.redis.dir
	build := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), "github.com/backbeat-go/backbeat/cmd/"+name)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "BACKBEAT_REDIS_URL=redis://" + b.redis.addr + "/0",
		"BACKBEAT_API_ADDR=127.0.0.1:0", "BACKBEAT_DEBUG_TASKS=true", "BACKBEAT_LOG_FORMAT=json",
	}
	return startProgram(ctx, append(env, settings...), filepath.Join(dir, name))
}

// roundTrip runs a task and reads its result.
func roundTrip(ctx context.Context, url string) error {
	created, err := call(ctx, http.MethodPost, url+"/v1/tasks", `{"type": "debug.echo", "payload": {"n": 1}}`)
	if err != nil {
		return err
	}
	done, err := call(ctx, http.MethodGet, url+"/v1/tasks/"+created.ID+"?wait=30s", "")
	if err == nil && done.State != "succeeded" {
		err = fmt.Errorf("the task is %s", done.State)
	}
	return err
}

// document is what the API says of a task.
type document struct{ ID, State string }

func call(ctx context.Context, method, url, body string) (*document, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s answers %s", method, url, res.Status)
	}
	d := &document{}
	return d, json.NewDecoder(res.Body).Decode(d)
}
