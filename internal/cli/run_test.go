package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	oneTask = `{"id": "x", "type": "t", "queue": "default", "state": "succeeded", "payload": {"n": 1}, "result": "\u001b[2Jgone", "attempt": 1, "max_retries": 3}`
	types   = `{"items": [{"type": "t", "description": "Does it.", "queue": "default", "max_retries": 3, "timeout": "30m", "payload_schema": {"properties": {
		"text": {"type": "string"}, "count": {"type": ["integer", "null"]}, "ratio": {"type": "number"}, "on": {"type": "boolean"},
		"either": {"type": ["string", "integer"]}, "any": {}}}, "result_schema": null}]}`
)

func taskAPI(t *testing.T) *api {
	return serve(t, map[string]string{"POST /v1/tasks": oneTask, "GET /v1/task-types": types})
}

func TestPayloadsOfParams(t *testing.T) {
	a := taskAPI(t)
	file := write(t, "payload.json", `{"n": 12345678901234567890, "text": "old"}`, 0o600)
	list := write(t, "list.json", `[1, 2]`, 0o600)
	tests := []struct {
		args []string
		want string // the payload
	}{
		{nil, ``},
		{[]string{"-p", "text=hello world"}, `{"text":"hello world"}`},
		{[]string{"-p", "text=17"}, `{"text":"17"}`},
		{[]string{"-p", "text=true"}, `{"text":"true"}`},
		{[]string{"-p", "text="}, `{"text":""}`},
		{[]string{"-p", "text=a=b:=c"}, `{"text":"a=b:=c"}`},
		{[]string{"-p", "count=17"}, `{"count":17}`},
		{[]string{"-p", "count=-1"}, `{"count":-1}`},
		{[]string{"-p", "count="}, `{"count":""}`},
		{[]string{"-p", "count=many"}, `{"count":"many"}`}, // the API says what is wrong
		{[]string{"-p", "count=true"}, `{"count":"true"}`},
		{[]string{"-p", "ratio=1e3"}, `{"ratio":1e3}`},
		{[]string{"-p", "on=true", "-p", "ratio=0.5"}, `{"on":true,"ratio":0.5}`},
		{[]string{"-p", "on=1"}, `{"on":"1"}`},
		{[]string{"-p", "either=17"}, `{"either":"17"}`},
		{[]string{"-p", "any=17"}, `{"any":"17"}`},
		{[]string{"-p", "unknown=17"}, `{"unknown":"17"}`},
		{[]string{"-p", `any:={"a": [1, null]}`}, `{"any":{"a":[1,null]}}`},
		{[]string{"-p", "count:=null"}, `{"count":null}`},
		{[]string{"--payload", file}, `{"n":12345678901234567890,"text":"old"}`},
		{[]string{"--payload", file, "-p", "text=new"}, `{"n":12345678901234567890,"text":"new"}`},
		{[]string{"--payload", list}, `[1,2]`},
		{[]string{"--payload", "-"}, `{"from":"stdin"}`},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := a.run(nil, `{"from": "stdin"}`, append([]string{"run", "t"}, tt.args...)...)
			want := `POST /v1/tasks {"type":"t"}`
			if tt.want != "" {
				want = `POST /v1/tasks {"type":"t","payload":` + tt.want + `}`
			}
			if a.last() != want || got.code != 0 {
				t.Errorf("sent %s, want %s; %+v", a.last(), want, got)
			}
		})
	}
}

func TestFlagsOfRun(t *testing.T) {
	a := taskAPI(t)
	got := a.run(nil, "", "run", "t", "--id", "x", "--queue", "low", "--at", "2030-01-01T09:00:00+01:00", "--max-retries", "0", "--timeout", "90s",
		"--unique-for", "1h", "--metadata", "tenant=a", "--metadata", "b=c=d")
	want := `POST /v1/tasks {"type":"t","id":"x","queue":"low","max_retries":0,"timeout":"90s","run_at":"2030-01-01T09:00:00+01:00",` +
		`"unique_for":"1h","metadata":{"b":"c=d","tenant":"a"}}`
	if got.code != 0 || a.last() != want {
		t.Errorf("%+v\nsent %s\nwant %s", got, a.last(), want)
	}
	a.run(nil, "", "run", "t", "--delay", "90m")
	if want := `POST /v1/tasks {"type":"t","delay":"1h30m"}`; a.last() != want {
		t.Errorf("sent %s, want %s", a.last(), want)
	}
}

func TestUsageErrors(t *testing.T) {
	a := taskAPI(t)
	text := write(t, "text", `hello`, 0o600)
	list := write(t, "list.json", `[1, 2]`, 0o600)
	tests := []struct {
		line string
		want string // on standard error
	}{
		{"nonsense", "unknown command"},
		{"schedule nonsense", "is not a subcommand of backbeat schedule"},
		{"bulk", "a subcommand is missing"},
		{"queues nonsense", "unknown command"},
		{"run", "TYPE is missing"},
		{"run t 30s", "--wait=30s"},
		{"run t u", "unexpected argument"},
		{"run t --wait=soon", "invalid duration"},
		{"run t -p nonsense", "key=text or key:=JSON"},
		{"run t -p =x", "key=text or key:=JSON"},
		{"run t -p a:={", "is not JSON"},
		{"run t --payload " + text, "is not JSON"},
		{"run t --payload " + list + " -p a=b", "is not a JSON object"},
		{"run t --metadata nonsense", "key=value"},
		{"run t --at tomorrow", "write a time such as"},
		{"run t --nonsense", "unknown flag"},
		{"run t -o yaml", "table or json"},
		{"list --limit 0", "write 1 or more"},
		{"status", "ID is missing"},
		{"cancel", "requires at least 1 arg"},
		{"schedule put x", "--type or --file is missing"},
		{"schedule put x --file " + text + " --cron *", "none of the others can be"},
		{"schedule put x --file " + text, "is not JSON"},
		{"schedule preview --after noon", "write a time such as"},
		{"queues --server ftp://example.com", "is not a URL"},
		{"queues --server http://example.com --key k", "allow it with --plain-http"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			got := a.run(nil, "", strings.Fields(tt.line)...)
			if got.code != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, "backbeat: ") || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("%+v, want 2 and %q", got, tt.want)
			}
		})
	}
}

func TestAPIErrors(t *testing.T) {
	unreachable := run([]string{"BACKBEAT_SERVER=http://127.0.0.1:1"}, "", "queues")
	if want := "backbeat: cannot reach the API at http://127.0.0.1:1: connection refused.\nStart one with backbeat-standalone, or set the URL of another with --server, BACKBEAT_SERVER or a profile.\n"; unreachable.code != 1 || unreachable.stderr != want {
		t.Errorf("%+v", unreachable)
	}
	if got := serve(t, nil).run(nil, "", "status", "x"); got.code != 1 || got.stderr != "backbeat: there is no such thing\n" {
		t.Errorf("%+v", got)
	}
}

// Control characters in a result or a progress message are not printed.
func TestControlCharactersAreRemoved(t *testing.T) {
	a := serve(t, map[string]string{
		"POST /v1/tasks":          oneTask,
		"GET /v1/task-types":      types,
		"GET /v1/tasks":           `{"items": [{"id": "\u001b]0;evil\u0007", "type": "\u202et"}]}`,
		"GET /v1/tasks/bad":       `{"id": "bad", "state": "failed", "error": {"message": "a\u001b[31mb\nc", "kind": "error"}}`,
		"POST /v1/tasks/x/cancel": `{"id": "x\u009b2J", "state": "running", "cancel_requested": true}`,
	})
	for _, line := range []string{"run t", "list", "status bad", "status bad --wait", "cancel x"} {
		_, screen := a.onTerminal(t, strings.Fields(line)...)
		screen = strings.ReplaceAll(screen, "\r\x1b[K", "") // ours
		if screen == "" || strings.ContainsAny(screen, "\x1b\x07\u009b\u202e") {
			t.Errorf("%s: %q", line, screen)
		}
	}
}

// An attempt whose worker crashed does not spend a retry, so there may be more attempts than retries.
func TestAttemptsBeyondTheRetriesAreShownAlone(t *testing.T) {
	a := serve(t, map[string]string{
		"GET /v1/tasks/x": `{"id": "x", "state": "pending"}`,
		"GET /v1/tasks/x/events": "event: progress\nid: 1\ndata: " +
			`{"id": "x", "state": "retrying", "attempt": 7, "max_retries": 3, "run_at": "2026-11-21T12:00:00Z"}` + "\n\n" +
			"event: done\nid: 2\ndata: " + `{"id": "x", "state": "succeeded", "attempt": 8, "total_attempts": 12, "max_retries": 3}` + "\n\n",
	})
	code, screen := a.onTerminal(t, "status", "x", "--wait")
	if code != 0 || !strings.Contains(screen, ", 7\r") || !strings.Contains(screen, "attempt  8, 12 in total\n") {
		t.Errorf("exit code %d, screen %q", code, screen)
	}
}

func TestProgressBar(t *testing.T) {
	event := func(id, task string) string { return "event: progress\nid: " + id + "\ndata: " + task + "\n\n" }
	a := serve(t, map[string]string{
		"GET /v1/tasks/x": `{"id": "x", "state": "pending"}`,
		"GET /v1/tasks/x/events": event("1", `{"id": "x", "state": "pending"}`) +
			event("2", `{"id": "x", "state": "retrying", "attempt": 1, "max_retries": 3, "run_at": "2026-11-21T12:00:00Z"}`) +
			event("3", `{"id": "x", "state": "running"}`) +
			event("4", `{"id": "x", "state": "running", "progress": {"percent": 50, "message": "step 1 of 2, which takes rather long\u001b[2J"}}`) +
			event("5", `{"id": "x", "state": "running", "cancel_requested": true}`) +
			event("6", `{"id": "x", "state": "failed", "attempt": 2, "max_retries": 3, "error": {"message": "out of paper", "kind": "permanent"}}`),
	})
	code, screen := a.onTerminal(t, "status", "x", "--wait")
	frames := strings.Split(screen, "\r\x1b[K")
	if !strings.HasPrefix(frames[2], "retrying at ") || !strings.HasSuffix(frames[2], ", 1 of 3") {
		t.Errorf("frame %q", frames[2])
	}
	frames[2] = ""
	want := []string{
		"", "pending", "", "running", "[===============               ]  50% step 1 of 2, which takes rath…", "canceling", "failed",
		"id       x\nstate    failed\nattempt  2 of 4\nerror    out of paper (permanent)\nbackbeat: task x failed: out of paper (permanent)\n",
	}
	if diff := cmp.Diff(want, frames); diff != "" || code != 1 {
		t.Errorf("exit code %d (-want +got):\n%s", code, diff)
	}
}

// Without event streams, --wait falls back to waiting for the task.
func TestWaitWithoutStream(t *testing.T) {
	a := serve(t, map[string]string{"POST /v1/tasks": `{"id": "x", "state": "running"}`, "GET /v1/tasks/x": `{"id": "x", "state": "succeeded"}`})
	if code, screen := a.onTerminal(t, "run", "t", "--id", "x", "--wait"); code != 0 || !strings.Contains(screen, "state    succeeded\n") {
		t.Errorf("exit code %d: %q", code, screen)
	}
}

func TestDocumentsOnATerminal(t *testing.T) {
	a := taskAPI(t)
	if _, screen := a.onTerminal(t, "types"); screen != "TYPE  QUEUE    RETRIES  TIMEOUT  DESCRIPTION\nt     default  3        30m      Does it.\n" {
		t.Errorf("%q", screen)
	}
	if _, screen := a.onTerminal(t, "run", "t", "-o", "json"); !strings.HasPrefix(screen, "{\n  \"id\": \"x\",\n") {
		t.Errorf("%q", screen)
	}
	if got := a.run(nil, "", "types"); strings.Count(got.stdout, "\n") != 1 || !strings.HasPrefix(got.stdout, `{"type":"t","description":"Does it."`) {
		t.Errorf("%+v", got)
	}
	if got := a.run(nil, "", "--version"); got.stdout != "backbeat v1.2.3\n" || got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestBulk(t *testing.T) {
	a := serve(t, map[string]string{"POST /v1/tasks/bulk": `{"action": "retry", "dry_run": true, "matched": 12, "changed": 0, "skipped": 2}`})
	got := a.run(nil, "", "bulk", "retry", "--queue", "low", "--state", "failed", "--type", "t", "--older-than", "36h", "--dry-run")
	want := `POST /v1/tasks/bulk {"action":"retry","filter":{"queue":["low"],"state":["failed"],"type":["t"],"older_than":"36h"},"dry_run":true}`
	if a.last() != want || got.code != 0 || got.stdout != `{"action":"retry","dry_run":true,"matched":12,"changed":0,"skipped":2}`+"\n" {
		t.Errorf("%+v\nsent %s", got, a.last())
	}
}

func TestCompletion(t *testing.T) {
	a := serve(t, map[string]string{
		"GET /v1/task-types": types,
		"GET /v1/queues":     `{"items": [{"name": "critical"}, {"name": "default"}]}`,
		"GET /v1/schedules":  `{"items": [{"id": "nightly"}, {"id": "hourly"}]}`,
	})
	for line, want := range map[string]string{
		"run |":                   "t\tDoes it.\n:4\n",
		"run t |":                 ":4\n",
		"run t --queue |":         "critical\ndefault\n:4\n",
		"queues pause d|":         "default\n:4\n",
		"schedule get |":          "nightly\nhourly\n:4\n",
		"schedule put x --type |": "t\tDoes it.\n:4\n",
		"list --state |":          "scheduled\naggregating\npending\nrunning\nretrying\nsucceeded\nfailed\ncanceled\nexpired\n:4\n",
		"status |":                ":4\n",
	} {
		args := strings.Split(strings.TrimSuffix(line, "|"), " ")
		if got := a.run(nil, "", append([]string{"__complete"}, args...)...); got.code != 0 || got.stdout != want {
			t.Errorf("%s: %+v, want %q", line, got, want)
		}
	}
	if got := run([]string{"BACKBEAT_SERVER=http://127.0.0.1:1"}, "", "__complete", "run", ""); got.code != 0 || got.stdout != ":4\n" {
		t.Errorf("without an API: %+v", got)
	}
}
