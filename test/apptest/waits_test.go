package apptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// events reads a stream of a task's events to its end, and sends what it was.
func (p *program) events(id string) <-chan string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.URL+"/v1/tasks/"+id+"/events", http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	all := make(chan string, 1)
	go func() {
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		all <- fmt.Sprintf("%s%v", data, err)
	}()
	return all
}

// preferring hands a task in and prefers to wait for its end.
func (p *program) preferring(body string) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.URL+"/v1/tasks", strings.NewReader(body))
		if err != nil {
			p.t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Prefer", "wait=60")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			p.t.Error(err)
			close(answers)
			return
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			p.t.Error(err)
		}
		answers <- answer{resp.StatusCode, resp.Header, data}
	}()
	return answers
}

// Those who wait keep an API that is told to stop for a moment, and not for as long as they would wait. All get an answer.
func TestAPIThatStopsAnswersAllWhoWait(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	preferred := api.preferring(`{"type":"debug.noop","id":"preferred","delay":"1h"}`)
	waitUntilAwaited(t, redis, "preferred")
	api.post(`{"type":"debug.noop","id":"waited","delay":"1h"}`)
	waited := make(chan answer, 1)
	go func() { waited <- api.call("GET", "/v1/tasks/waited?wait=60s", "") }()
	waitUntilAwaited(t, redis, "waited")
	stream := api.events(api.post(`{"type":"debug.noop","id":"followed","delay":"1h"}`))
	waitUntilAwaited(t, redis, "followed")

	told := time.Now()
	if code := api.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(told); took > 45*time.Second { // the waits would take 60 s
		t.Errorf("it took %s to stop", took)
	}
	if a := <-preferred; a.Status != http.StatusAccepted || a.Header.Get("Preference-Applied") != "wait=60" || a.document(t)["state"] != "scheduled" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if a := <-waited; a.Status != http.StatusOK || a.document(t)["state"] != "scheduled" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if got := <-stream; !strings.Contains(got, "event: state\n") || !strings.HasSuffix(got, ": the server stops\n\n<nil>") {
		t.Errorf("the stream was\n%s", got)
	}
}

// A task on its way through the programs, as two who ask different APIs see it.
func TestEventsFromTwoAPIs(t *testing.T) {
	redis := "BACKBEAT_REDIS_URL=" + redistest.Start(t).URL()
	one, two := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true"), start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	id := one.post(`{"type":"debug.sleep","payload":{"duration":"2s","steps":4}}`)
	streams := []<-chan string{one.events(id), two.events(id)}
	start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true")
	for _, stream := range streams {
		var states []any
		var percent []float64
		for line := range strings.Lines(<-stream) {
			var d document
			if data, ok := strings.CutPrefix(line, "data: "); !ok || json.Unmarshal([]byte(data), &d) != nil {
				continue
			}
			states = append(states, d["state"])
			if progress, ok := d["progress"].(map[string]any); ok {
				percent = append(percent, progress["percent"].(float64))
			}
		}
		if states = slices.Compact(states); !slices.Equal(states, []any{"pending", "running", "succeeded"}) {
			t.Errorf("its states were %v", states)
		}
		if len(percent) < 2 || !slices.IsSorted(percent) || percent[len(percent)-1] != 100 {
			t.Errorf("it came along as %v", percent)
		}
	}
}
