package httpapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestFiltersTakeSeveralValues(t *testing.T) {
	base, _ := serveBroker(t)
	for _, body := range []string{
		`{"id": "now", "type": "echo"}`,
		`{"id": "later", "type": "echo", "delay": "1h"}`,
		`{"id": "low", "type": "echo", "queue": "low"}`,
		`{"id": "call", "type": "call", "payload": {"url": "https://example.com"}}`,
		`{"id": "over", "type": "echo"}`,
	} {
		if got := ask(t, "POST", base+"/v1/tasks", body); got.status != 202 {
			t.Fatalf("%d: %s", got.status, got.body)
		}
	}
	if got := ask(t, "POST", base+"/v1/tasks/over/cancel", ""); got.status != 200 {
		t.Fatalf("%d: %s", got.status, got.body)
	}
	for query, want := range map[string]string{
		"state=pending&state=scheduled":                  "call later low now",
		"state=pending,scheduled":                        "call later low now",
		"state=scheduled,canceled&state=canceled":        "later over",
		"queue=low&queue=default&state=pending":          "call low now",
		"queue=low,default&type=call,echo&state=pending": "call low now",
		"type=call&type=echo&state=scheduled":            "later",
		"state=pending&state=scheduled&limit=1":          "", // each of the pages has one
		"queue=low&state=pending&state=canceled&cursor=": "low",
	} {
		var ids []string
		for cursor := ""; ; {
			got := ask(t, "GET", base+"/v1/tasks?"+query+cursor, "")
			var page struct {
				Items      []struct{ ID string }
				NextCursor string `json:"next_cursor"`
			}
			if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 {
				t.Fatalf("%s: %d %s", query, got.status, got.body)
			}
			for _, item := range page.Items {
				ids = append(ids, item.ID)
			}
			if page.NextCursor == "" {
				break
			}
			cursor = "&cursor=" + page.NextCursor
		}
		slices.Sort(ids)
		if want == "" {
			want = "call later low now"
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s lists %s", query, got)
		}
	}
	for filter, want := range map[string]string{
		`{"state": ["pending", "scheduled"]}`:                     `"matched":4`,
		`{"state": "pending", "queue": ["low", "default"]}`:       `"matched":3`,
		`{"type": ["call"], "state": ["pending", "aggregating"]}`: `"matched":1`,
	} {
		got := ask(t, "POST", base+"/v1/tasks/bulk", `{"action": "cancel", "dry_run": true, "filter": `+filter+`}`)
		if got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", filter, got.status, got.body)
		}
	}
}

// A name that nothing has is a slip of the pen, and an empty list would hide it.
func TestFiltersOfWhatThereIsNot(t *testing.T) {
	base, _ := serveBroker(t)
	for query, want := range map[string]string{
		"type=nope":                "query.type",
		"type=echo,nope":           "query.type",
		"type=echo&type=nope":      "query.type",
		"queue=nowhere":            "query.queue",
		"queue=default&queue=nope": "query.queue",
		"state=pending&state=nope": "query.state",
		"limit=5&limit=6":          "query.limit",
		"cursor=a&cursor=b":        "query.cursor",
		"cursor=nonsense":          "query.cursor",
	} {
		got := ask(t, "GET", base+"/v1/tasks?"+query, "")
		if p := got.problem(t); got.status != 422 || len(p.Errors) != 1 || !strings.HasPrefix(p.Errors[0].Location, want) {
			t.Errorf("%s: %s", query, got.body)
		}
	}
	for filter, want := range map[string]string{
		`{"type": "nope"}`:                 "body.filter.type",
		`{"type": ["echo", "nope"]}`:       "body.filter.type",
		`{"queue": "nowhere"}`:             "body.filter.queue",
		`{"state": "nope"}`:                "body.filter.state",
		`{"state": ["pending", "failed"]}`: "body.filter.state",
		`{"state": []}`:                    "body.filter.state",
		`{"state": 7}`:                     "body.filter.state",
	} {
		got := ask(t, "POST", base+"/v1/tasks/bulk", `{"action": "cancel", "filter": `+filter+`}`)
		if p := got.problem(t); got.status != 422 || len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, want) {
			t.Errorf("%s: %s", filter, got.body)
		}
	}
	for _, path := range []string{"/v1/schedules?limit=1&limit=2", "/v1/audit?cursor=a&cursor=b", "/v1/tasks/x?wait=1s&wait=2s"} {
		if got := ask(t, "GET", base+path, ""); got.status != 422 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
