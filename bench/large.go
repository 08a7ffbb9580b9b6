package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/fleet"
)

// larges are the scenarios of very many and of very large tasks. asynq has nothing of the kind.
func larges() []scenario {
	return []scenario{
		{
			"1,000,000 pending tasks", nil, millions,
			[]line{
				{"bulk dry run", "s", true, goal{most: 10}},
				{"longest command of Redis in it", "ms", true, goal{most: 5}},
				{name: "first page of a type that none has", unit: "ms", less: true},
				{"longest command of Redis for it", "ms", true, goal{most: 5}},
			},
		},
		{
			"memory of the API, peak above idle", nil, pagesOfLarge,
			[]line{
				{"pages of 60 results of 10 MB", "MiB", true, goal{most: 256}},
				{"pages of 1,000 payloads of 1 MB", "MiB", true, goal{most: 256}},
			},
		},
		{
			"memory of a worker, 24 results of 10 MB that end together", nil, largeEnds,
			[]line{
				{"peak, times that of the results", "x", true, goal{most: 4}},
				{"15 s later", "MiB", true, goal{most: 100}},
			},
		},
	}
}

// millions measures a bulk change that changes nothing, and a page that finds nothing, over a long queue.
func millions(ctx context.Context, b *bench, s system) ([]float64, error) {
	const batch = 1000
	o, n := s.(*ours), b.scaled(1000)*batch
	for range n / batch {
		if err := o.enqueueAll(ctx, batch, order); err != nil {
			return nil, err
		}
	}
	dryRun, dryRunSlowest, err := b.timed(ctx, func() error {
		result, err := o.client.Bulk(ctx, fleet.Bulk{Action: fleet.ActionCancel, Filter: fleet.Filter{Queues: []string{queueName}}, DryRun: true})
		if err == nil && result.Matched != n {
			err = fmt.Errorf("a dry run matches %d of %d tasks", result.Matched, n)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	page, pageSlowest, err := b.timed(ctx, func() error {
		_, err := o.client.List(ctx, fleet.Filter{Types: []string{"other"}}, "", 1)
		return err
	})
	return []float64{dryRun.Seconds(), dryRunSlowest, 1000 * page.Seconds(), pageSlowest}, err
}

// timed returns how long something takes, and the longest command of Redis meanwhile in milliseconds.
func (b *bench) timed(ctx context.Context, do func() error) (took time.Duration, slowest float64, err error) {
	if err := b.redis.watchSlow(ctx); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := do(); err != nil {
		return 0, 0, err
	}
	took = time.Since(start)
	slowest, err = b.redis.slowest(ctx)
	return took, slowest, err
}

// pagesOfLarge lists tasks with large results, and then others with large payloads, page by page to the last.
func pagesOfLarge(ctx context.Context, b *bench, s system) ([]float64, error) {
	if err := b.finishLarge(ctx, s, b.scaled(60), 10_000_000); err != nil {
		return nil, err
	}
	results, err := b.memoryOfPages(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.redis.rdb.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	if err := fill(ctx, s, b.scaled(1000), jsonText(1_000_000), false); err != nil {
		return nil, err
	}
	payloads, err := b.memoryOfPages(ctx)
	return []float64{results, payloads}, err
}

// jsonText returns a JSON document of so many bytes.
func jsonText(bytes int) []byte { return []byte(`{"text":"` + strings.Repeat("x", bytes-11) + `"}`) }

// finishLarge leaves tasks with large results.
func (b *bench) finishLarge(ctx context.Context, s system, n, bytes int) error {
	if err := fill(ctx, s, n, order, true); err != nil {
		return err
	}
	stop, err := s.work(b.redis.addr, 4, func([]byte) []byte { return jsonText(bytes) })
	if err != nil {
		return err
	}
	defer stop()
	return b.awaitProcessed(ctx, n)
}

// memoryOfPages returns by how much the memory of an API grows while it lists all tasks, in MiB.
func (b *bench) memoryOfPages(ctx context.Context) (float64, error) {
	api, err := b.startAPI(ctx)
	if err != nil {
		return 0, err
	}
	defer api.stop()
	idle, err := api.memory("VmRSS")
	if err != nil {
		return 0, err
	}
	for cursor, more := "", true; more; more = cursor != "" {
		if cursor, err = nextPage(ctx, api.url, cursor); err != nil {
			return 0, err
		}
	}
	peak, err := api.memory("VmHWM")
	return (peak - idle) / 1024, err
}

// nextPage reads a page of tasks as far as its cursor, which comes behind them.
func nextPage(ctx context.Context, api, cursor string) (next string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/v1/tasks?limit=1000&cursor="+url.QueryEscape(cursor), nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("a page of large tasks is answered with %s", res.Status)
	}
	var page struct {
		NextCursor string `json:"next_cursor"`
	}
	return page.NextCursor, json.NewDecoder(res.Body).Decode(&page)
}

// largeEnds lets a worker run calls whose large answers come at the same time, and returns the peak of its memory as a
// multiple of those, and what is left of it later.
func largeEnds(ctx context.Context, b *bench, s system) ([]float64, error) {
	const n, bytes = 24, 10_000_000
	var all sync.WaitGroup
	all.Add(n)
	text := strings.Repeat("x", bytes)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		all.Done()
		all.Wait()
		_, _ = io.WriteString(w, text)
	}))
	defer site.Close()
	worker, err := b.startOwn(ctx, "worker", "BACKBEAT_WORKER_CONCURRENCY=24", "BACKBEAT_MAX_RESULT_BYTES=16777216",
		"BACKBEAT_HTTP_TASK_ALLOW_CIDRS=127.0.0.0/8")
	if err != nil {
		return nil, err
	}
	defer worker.stop()
	for range n {
		call := newTask(fmt.Appendf(nil, `{"url":%q,"method":"GET","max_response_bytes":%d}`, site.URL, bytes), true, 0)
		call.Type = "http.request"
		if err := s.(*ours).client.Enqueue(ctx, call); err != nil {
			return nil, err
		}
	}
	if err := b.awaitProcessed(ctx, n); err != nil {
		return nil, err
	}
	peak, err := worker.memory("VmHWM")
	if err != nil {
		return nil, err
	}
	time.Sleep(15 * time.Second)
	left, err := worker.memory("VmRSS")
	return []float64{peak * 1024 / (n * bytes), left / 1024}, err
}
