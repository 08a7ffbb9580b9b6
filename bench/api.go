package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// apis are the scenarios of the HTTP API. Beside it stands what people write themselves: a few lines of echo around an
// asynq client, with no checks, no authentication and no documentation.
func apis() []scenario {
	return []scenario{
		{
			"HTTP, 64 connections", bareRequests, requests,
			[]line{
				{"POST /v1/tasks", "requests/s", false, goal{times: 0.8}},
				{name: "GET /v1/tasks/{id}", unit: "requests/s"},
				{"GET to POST", "x", false, goal{least: 1}},
			},
		},
		{
			"HTTP, POST /v1/tasks/batch of 1000, 4 connections", nil, batches,
			[]line{{unit: perSecond, goal: goal{least: 60_000}}},
		},
		{
			"HTTP, 500 POSTs a second", nil, crowd,
			[]line{
				{name: "p99", unit: "ms", less: true},
				{name: "p99 beside 2,000 waiters and 1,000 event streams", unit: "ms", less: true},
				{"times that of without them", "x", true, goal{most: 2}},
			},
		},
		{
			"HTTP, a body of 10 MB: memory for one", nil, largeBodies,
			[]line{{"that says how long it is", "MiB", true, goal{most: 5}}, {"that does not", "MiB", true, goal{most: 5}}},
		},
	}
}

const (
	connections = 64
	newEcho     = `{"type": "debug.echo", "payload": {"n": 1}}`
)

// bareRequests measures an API of a few lines, started as a process of its own, as ours is.
func bareRequests(ctx context.Context, b *bench, _ system) ([]float64, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	bare, err := startProgram(ctx, os.Environ(), self, "-bare", "-redis", b.redis.addr)
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	return b.requests(ctx, bare.url)
}

func requests(ctx context.Context, b *bench, _ system) ([]float64, error) {
	api, err := b.startAPI(ctx)
	if err != nil {
		return nil, err
	}
	defer api.stop()
	return b.requests(ctx, api.url)
}

// requests measures POSTs and GETs. No worker is there: the tasks stay as they are.
func (b *bench) requests(ctx context.Context, url string) ([]float64, error) {
	post := wireRequest(http.MethodPost, url, "/v1/tasks", newEcho)
	if _, err := load(ctx, url, connections, b.scaled(5_000), post); err != nil { // until all has run once
		return nil, err
	}
	posts, err := load(ctx, url, connections, b.scaled(50_000), post)
	if err != nil {
		return nil, err
	}
	created, err := call(ctx, http.MethodPost, url+"/v1/tasks", newEcho)
	if err != nil {
		return nil, err
	}
	gets, err := load(ctx, url, connections, b.scaled(50_000), wireRequest(http.MethodGet, url, "/v1/tasks/"+created.ID, ""))
	return []float64{posts, gets, gets / posts}, err
}

// batches measures how many tasks a second come in by the thousand.
func batches(ctx context.Context, b *bench, _ system) ([]float64, error) {
	api, err := b.startAPI(ctx)
	if err != nil {
		return nil, err
	}
	defer api.stop()
	const size = 1000
	body := `{"tasks": [` + strings.Repeat(newEcho+",", size-1) + newEcho + `]}`
	batch := wireRequest(http.MethodPost, api.url, "/v1/tasks/batch", body)
	if _, err := load(ctx, api.url, 4, 20, batch); err != nil {
		return nil, err
	}
	rate, err := load(ctx, api.url, 4, b.scaled(300), batch)
	return []float64{rate * size}, err
}

// crowd measures POSTs, and POSTs again while very many wait for tasks that are not to begin for an hour.
func crowd(ctx context.Context, b *bench, _ system) ([]float64, error) {
	const waiters, streams = 2000, 1000
	api, err := b.startAPI(ctx)
	if err != nil {
		return nil, err
	}
	defer api.stop()
	if _, err := b.postsAtRate(ctx, api.url); err != nil { // until all has run once
		return nil, err
	}
	alone, err := b.postsAtRate(ctx, api.url)
	if err != nil {
		return nil, err
	}
	ctx, leave := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer leave()
	for i := range b.scaled(waiters + streams) {
		later, err := call(ctx, http.MethodPost, api.url+"/v1/tasks", `{"type": "debug.echo", "payload": {"n": 1}, "delay": "1h"}`)
		if err != nil {
			return nil, err
		}
		path := "/v1/tasks/" + later.ID
		if i < b.scaled(streams) {
			path += "/events"
		} else {
			path += "?wait=60s"
		}
		w, err := dial(ctx, api.url)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(wireRequest(http.MethodGet, api.url, path, "")); err != nil {
			return nil, err
		}
		if i < b.scaled(streams) { // waiters have no answer yet
			if status, err := w.answers.Peek(12); err != nil || string(status[9:]) != "200" {
				return nil, fmt.Errorf("an event stream begins with %q: %w", status, err)
			}
		}
		waiting.Go(func() { _, _ = io.Copy(io.Discard, w) }) // until the connection is closed
	}
	time.Sleep(2 * time.Second) // until all of them wait
	together, err := b.postsAtRate(ctx, api.url)
	return []float64{alone, together, together / alone}, err
}

// postsAtRate posts 500 tasks a second over 8 connections and returns the time that an answer takes, p99, in ms.
func (b *bench) postsAtRate(ctx context.Context, url string) (float64, error) {
	const workers, perWorker = 8, 500 / 8.0
	post := wireRequest(http.MethodPost, url, "/v1/tasks", newEcho)
	n := b.scaled(5000) / workers
	var mu sync.Mutex
	var took []time.Duration
	err := inParallel(workers, func(int) error {
		w, err := dial(ctx, url)
		if err != nil {
			return err
		}
		defer w.close()
		own := make([]time.Duration, n)
		tick := time.NewTicker(time.Duration(float64(time.Second) / perWorker))
		defer tick.Stop()
		for i := range own {
			<-tick.C
			start := time.Now()
			if err := w.do(post); err != nil {
				return err
			}
			own[i] = time.Since(start)
		}
		mu.Lock()
		took = append(took, own...)
		mu.Unlock()
		return nil
	})
	return quantile(took, 0.99), err
}

// largeBodies sends bodies that are far too large, and returns what the API allocates for one, whether it says beforehand
// how long it is or not.
func largeBodies(ctx context.Context, b *bench, _ system) ([]float64, error) {
	api, err := b.startAPI(ctx)
	if err != nil {
		return nil, err
	}
	defer api.stop()
	body := `{"type": "debug.echo", "payload": {"text": "` + strings.Repeat("x", 10_000_000) + `"}}`
	const times = 20
	var costs []float64
	for _, told := range []bool{true, false} {
		before, err := allocated(ctx, api.url)
		if err != nil {
			return nil, err
		}
		for range times {
			var reader io.Reader = strings.NewReader(body)
			if !told {
				reader = io.MultiReader(reader) // hides the length
			}
			if err := sendTooMuch(ctx, api.url, reader); err != nil {
				return nil, err
			}
		}
		after, err := allocated(ctx, api.url)
		if err != nil {
			return nil, err
		}
		costs = append(costs, (after-before)/times/(1<<20))
	}
	return costs, nil
}

func sendTooMuch(ctx context.Context, url string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/tasks", body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil // it closed the connection before it had read all, as it may
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		return fmt.Errorf("a body of 10 MB is answered with %s", res.Status)
	}
	return nil
}

// allocated returns how many bytes a program has allocated since it started, as its metrics say.
func allocated(ctx context.Context, url string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_alloc_bytes_total "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.New("the metrics do not tell what was allocated")
}

// inParallel calls do for each of n, and returns the first error.
func inParallel(n int, do func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}
