package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/task"
)

func TestBulkChange(t *testing.T) {
	base, _ := serveBroker(t)
	for i := range 6 {
		want(t, 202, "POST", base+"/v1/tasks", fmt.Sprintf(`{"type":"echo","id":"t%d","queue":%q}`, i, []string{"default", "low"}[i%2]))
	}
	for _, step := range []struct{ body, answer string }{
		{`{"action":"cancel","filter":{"queue":"low"},"dry_run":true}`, `{"action":"cancel","dry_run":true,"matched":3,"changed":0,"skipped":0}`},
		{`{"action":"cancel","filter":{"queue":"low","older_than":"1h"}}`, `{"action":"cancel","dry_run":false,"matched":0,"changed":0,"skipped":0}`},
		{`{"action":"cancel","filter":{"queue":"low","state":null,"older_than":null}}`, `{"action":"cancel","dry_run":false,"matched":3,"changed":3,"skipped":0}`},
		{`{"action":"cancel","filter":{"queue":"low"}}`, `{"action":"cancel","dry_run":false,"matched":0,"changed":0,"skipped":0}`},
		{`{"action":"retry","filter":{"state":"canceled","type":"echo"}}`, `{"action":"retry","dry_run":false,"matched":3,"changed":3,"skipped":0}`},
		{`{"action":"delete","filter":{"type":"echo"}}`, `{"action":"delete","dry_run":false,"matched":6,"changed":6,"skipped":0}`},
	} {
		wantFields(t, want(t, 200, "POST", base+"/v1/tasks/bulk", step.body), step.answer)
	}
	want(t, 404, "GET", base+"/v1/tasks/t0", "")
}

func TestBadBulkChanges(t *testing.T) {
	base, _ := serveBroker(t)
	for body, want := range map[string]string{
		``:                                  "400 ",
		`{`:                                 "400 body",
		`[]`:                                "422 body",
		`{}`:                                "422 body.action body.filter",
		`{"action":"cancel"}`:               "422 body.filter",
		`{"action":"cancel","filter":{}}`:   "422 body.filter",
		`{"action":"cancel","filter":null}`: "422 body.filter",
		`{"action":"cancel","filter":{"older_than":"1h"}}`:                      "422 body.filter",
		`{"action":"explode","filter":{"queue":"low"}}`:                         "422 body.action",
		`{"action":"cancel","filter":{"queue":""}}`:                             "422 body.filter.queue",
		`{"action":"cancel","filter":{"queue":"nope"}}`:                         "422 body.filter.queue",
		`{"action":"cancel","filter":{"queue":"a}b"}}`:                          "422 body.filter.queue",
		`{"action":"cancel","filter":{"queue":"low\u0000"}}`:                    "422 body.filter.queue",
		`{"action":"cancel","filter":{"type":""}}`:                              "422 body.filter.type",
		`{"action":"cancel","filter":{"type":17}}`:                              "422 body.filter.type",
		`{"action":"cancel","filter":{"state":"asleep"}}`:                       "422 body.filter.state",
		`{"action":"retry","filter":{"state":"running"}}`:                       "422 body.filter.state",
		`{"action":"delete","filter":{"state":"running"}}`:                      "422 body.filter.state",
		`{"action":"cancel","filter":{"state":"succeeded"}}`:                    "422 body.filter.state",
		`{"action":"cancel","filter":{"queue":"low","older_than":"soon"}}`:      "422 body.filter.older_than",
		`{"action":"cancel","filter":{"queue":"low","older_than":"-1h"}}`:       "422 body.filter.older_than",
		`{"action":"cancel","filter":{"queue":"low","older_than":90}}`:          "422 body.filter.older_than",
		`{"action":"cancel","filter":{"queue":"low","colour":1}}`:               "422 body.filter.colour",
		`{"action":"cancel","filter":{"queue":"low"},"dry_run":"yes"}`:          "422 body.dry_run",
		`{"action":"cancel","filter":{"QUEUE":"low"}}`:                          "422 body.filter.QUEUE",
		`{"action":"cancel","filter":{"queue":"low","older_than":"9e99h"}}`:     "422 body.filter.older_than",
		`{"action":"cancel","filter":{"queue":"low","older_than":"99999999h"}}`: "422 body.filter.older_than",
	} {
		got := ask(t, "POST", base+"/v1/tasks/bulk", body, "Content-Type", "application/json")
		p := got.problem(t)
		var locations []string
		for _, e := range p.Errors {
			locations = append(locations, e.Location)
		}
		status, wanted, _ := strings.Cut(want, " ")
		if fmt.Sprint(got.status) != status || !sameWords(locations, wanted) {
			t.Errorf("%s: %d at %q, want %s: %s", body, got.status, locations, want, got.body)
		}
	}
}

// slowBulk is a store whose bulk changes go on until somebody ends them.
type slowBulk struct {
	stub
	begun chan struct{}
	end   <-chan struct{} // nil: never
}

func (s *slowBulk) Bulk(ctx context.Context, _ fleet.Bulk) (fleet.BulkResult, error) {
	close(s.begun)
	select {
	case <-s.end:
		return fleet.BulkResult{Matched: 3, Changed: 3}, nil
	case <-ctx.Done():
		return fleet.BulkResult{Matched: 3, Changed: 1}, ctx.Err()
	}
}

const cancelEchoes = `{"action":"cancel","filter":{"type":"echo"}}`

func TestBulkChangeEndsWithTheClient(t *testing.T) {
	store := &slowBulk{begun: make(chan struct{})}
	log := &auditStub{recorded: make(chan struct{}, 1)}
	base := serve(t, store, func(c *httpapi.Config) { c.Audit = log })
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { <-store.begun; hangUp() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/tasks/bulk", strings.NewReader(cancelEchoes))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Error("the client did not hang up")
	}
	select {
	case <-log.recorded: // with what was done until then
	case <-time.After(30 * time.Second):
		t.Fatal("the change goes on without its client")
	}
	if e := log.newest(); e.Detail != "matched=3 changed=1 skipped=0" || e.Status != http.StatusServiceUnavailable {
		t.Errorf("%+v", e)
	}
}

// A change may take longer than any other answer.
func TestBulkChangeHasItsTime(t *testing.T) {
	end := make(chan struct{})
	store := &slowBulk{begun: make(chan struct{}), end: end}
	server := httptest.NewUnstartedServer(newHandler(t, func(c *httpapi.Config) { c.Tasks = store }))
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	go func() {
		<-store.begun
		time.Sleep(2 * server.Config.WriteTimeout)
		close(end)
	}()
	if got := ask(t, "POST", server.URL+"/v1/tasks/bulk", cancelEchoes); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// quickBulk is a store that refuses what any would, and does nothing of the rest.
type quickBulk struct{ stub }

func (*quickBulk) Bulk(_ context.Context, change fleet.Bulk) (fleet.BulkResult, error) {
	if faults := change.Check(); len(faults) > 0 {
		return fleet.BulkResult{}, task.Invalid(faults...)
	}
	return fleet.BulkResult{}, nil
}
