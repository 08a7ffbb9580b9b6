package httpapi_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// foreign enqueues tasks with ids that only a stock client gives.
func foreign(t *testing.T, server *redistest.Server, ids ...string) {
	t.Helper()
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: server.Addr()})
	defer client.Close()
	for _, id := range ids {
		if _, err := client.Enqueue(asynq.NewTask("echo", []byte(`{}`)), asynq.TaskID(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIDsWithSlashesAndPercents(t *testing.T) {
	base, server := serveBroker(t)
	ids := []string{"a/b", "x/cancel", "50%", "%2F", "a%2Fb", "/", "a b", "ü", "?", "a/events", "bulk/cancel"}
	foreign(t, server, append(ids, "x")...)
	for _, id := range ids {
		at := base + "/v1/tasks/" + url.PathEscape(id)
		if got := want(t, 200, "GET", at, "")["id"]; got != id {
			t.Errorf("%s is answered with task %q", at, got)
		}
		if doc := want(t, 200, "POST", at+"/cancel", ""); doc["id"] != id || doc["state"] != "canceled" {
			t.Errorf("%s/cancel is answered with %v", at, doc)
		}
		if doc := want(t, 200, "POST", at+"/retry", ""); doc["id"] != id {
			t.Errorf("%s/retry is answered with %v", at, doc)
		}
	}
	wantState(t, want(t, 200, "GET", base+"/v1/tasks/x", ""), "pending") // nobody has canceled it
	want(t, http.StatusMethodNotAllowed, "POST", base+"/v1/tasks/x%2Fcancel", "")
	wantState(t, want(t, 200, "GET", base+"/v1/tasks/x", ""), "pending")
	for _, id := range ids {
		at := base + "/v1/tasks/" + url.PathEscape(id)
		want(t, 204, "DELETE", at, "")
		want(t, 404, "GET", at, "")
	}
	want(t, 404, "GET", base+"/v1%2Ftasks", "")
	want(t, 200, "GET", base+"/v1/tasks?limit=1", "")
}
