package apptest

import (
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// A Redis that will never do ends the programs at once, with what is wrong with it.
func TestRedisThatWillNotDo(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client(t)
	for name, rules := range map[string]string{
		"mute":    "~* +@all resetchannels",
		"narrow":  "~asynq:* &* +@all",
		"scanty":  "~* &* +@all -lpush -zadd",
		"scripts": "~* &* +@all -@scripting",
		"right":   "~asynq:* ~backbeat:* &asynq:* &backbeat:* +@all -@dangerous +info",
	} {
		args := []any{"ACL", "SETUSER", name, "reset", "on", ">secret"}
		for rule := range strings.FieldsSeq(rules) {
			args = append(args, rule)
		}
		if err := rdb.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string) string { return "redis://" + user + ":secret@" + server.Addr() }
	for _, c := range []struct{ url, want string }{
		{as("mute"), "&backbeat:wake"},
		{as("mute"), "ACL SETUSER mute ~asynq:* ~backbeat:* &asynq:* &backbeat:*"},
		{as("narrow"), "keys"},
		{as("scanty"), "lpush zadd"},
		{as("scripts"), "eval"},
		{as("nobody"), "password"},
		{server.URL() + "99", "database"},
	} {
		for _, program := range []string{"api", "worker", "beat"} {
			code, _, stderr := exit(t, program, nil, "BACKBEAT_REDIS_URL="+c.url, "BACKBEAT_API_ADDR=127.0.0.1:0")
			if code != 2 || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "secret") {
				t.Errorf("%s at %s: exit code %d, want %q in:\n%s", program, c.url, code, c.want, stderr)
			}
			if c.want == "lpush zadd" {
				break // one program of each is enough
			}
		}
	}

	redis := "BACKBEAT_REDIS_URL=" + as("right")
	start(t, "worker", redis, "BACKBEAT_DEBUG_TASKS=true")
	start(t, "beat", redis, "BACKBEAT_DEBUG_TASKS=true")
	api := start(t, "api", redis, "BACKBEAT_DEBUG_TASKS=true")
	id := api.post(`{"type":"debug.echo","payload":{"a":1}}`)
	if a := api.call("GET", "/v1/tasks/"+id+"?wait=20", ""); a.document(t)["state"] != "succeeded" {
		t.Errorf("with just the rights that are needed: %d %s", a.Status, a.Body)
	}
}
