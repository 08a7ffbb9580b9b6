package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/lease"
	"github.com/backbeat-go/backbeat/internal/redisstore"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

const everyMinute = `{"every":"1m","task":{"type":"echo"}}`

// desk is an API with schedules, whose time the test sets.
type desk struct {
	t      testing.TB
	base   string
	redis  *redistest.Server
	store  schedule.Store
	types  *catalog.Catalog
	now    atomic.Int64 // ms
	refuse atomic.Bool  // tasks are not enqueued
}

type clocked struct {
	schedule.Store
	desk *desk
}

func (c clocked) Now() time.Time { return time.UnixMilli(c.desk.now.Load()) }

type refusing struct {
	httpapi.Tasks
	desk *desk
}

func (r refusing) Enqueue(ctx context.Context, t *task.Task) error {
	if r.desk.refuse.Load() {
		return task.Unavailable(io.ErrUnexpectedEOF)
	}
	return r.Tasks.Enqueue(ctx, t)
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t}
	d.at("2026-11-21T01:30:00Z")
	d.base, d.redis = serveBroker(t, func(c *httpapi.Config) {
		d.store = c.Schedules
		d.types = c.Types
		c.Schedules = clocked{c.Schedules, d}
		c.Tasks = refusing{c.Tasks, d}
	})
	return d
}

func (d *desk) at(now string) {
	d.t.Helper()
	t, err := time.Parse(time.RFC3339, now)
	if err != nil {
		d.t.Fatal(err)
	}
	d.now.Store(t.UnixMilli())
}

// call wants a status of a call below /v1/schedules, and returns the document.
func (d *desk) call(status int, method, path, body string, header ...string) map[string]any {
	d.t.Helper()
	got := d.ask(method, path, body, header...)
	if got.status != status {
		d.t.Fatalf("%s %s %s: %d, want %d: %s", method, path, body, got.status, status, got.body)
	}
	var doc map[string]any
	if got.body != "" {
		if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
			d.t.Fatal(err)
		}
	}
	return doc
}

func (d *desk) ask(method, path, body string, header ...string) answer {
	d.t.Helper()
	return ask(d.t, method, d.base+"/v1/schedules"+path, body, header...)
}

// revision returns the part of an ETag that counts changes.
func revision(a answer) string {
	revision, _, _ := strings.Cut(strings.Trim(a.header.Get("ETag"), `"`), "-")
	return revision
}

// A client that has seen a schedule does not change another that was made under its id after it was deleted.
func TestScheduleMadeAnewHasAnotherETag(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", everyMinute)
	before := d.ask("GET", "/a", "").header.Get("ETag")
	d.call(204, "DELETE", "/a", "")
	d.at("2026-11-21T01:30:01Z")
	d.call(201, "PUT", "/a", everyMinute)
	d.call(412, "DELETE", "/a", "", "If-Match", before)
	d.call(200, "GET", "/a", "")
}

// wantFields holds fields of a document against a JSON object.
func wantFields(t testing.TB, doc map[string]any, fields string) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(fields), &want); err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if got, ok := doc[name]; !ok || !reflect.DeepEqual(got, value) {
			t.Errorf("%s is %#v, want %#v", name, got, value)
		}
	}
}

func TestScheduleOfTheTutorials(t *testing.T) {
	d := newDesk(t)
	d.at("2026-11-21T02:30:00Z")
	crawl := func(trigger string) string {
		return `{` + trigger + `,"task":{"type":"call","payload":{"url":"https://example.com/crawl"}}}`
	}
	put := d.ask("PUT", "/hourly-crawl", crawl(`"cron":"0 * * * *"`))
	if put.status != 201 || put.header.Get("Location") != "/v1/schedules/hourly-crawl" || revision(put) != "r1" {
		t.Fatalf("%d, Location %q, ETag %q: %s", put.status, put.header.Get("Location"), put.header.Get("ETag"), put.body)
	}
	wantFields(t, d.call(200, "GET", "/hourly-crawl", ""), `{"next_run_at":"2026-11-21T03:00:00.000Z","created_at":"2026-11-21T02:30:00.000Z"}`)

	d.at("2026-11-21T02:40:00Z")
	again := d.ask("PUT", "/hourly-crawl", crawl(`"cron":"0 2 * * *"`))
	if again.status != 200 || again.header.Get("Location") != "" || revision(again) != "r2" {
		t.Fatalf("%d, Location %q, ETag %q: %s", again.status, again.header.Get("Location"), again.header.Get("ETag"), again.body)
	}
	wantFields(t, d.call(200, "GET", "/hourly-crawl", ""), `{"cron":"0 2 * * *","next_run_at":"2026-11-22T02:00:00.000Z",
		"created_at":"2026-11-21T02:30:00.000Z","updated_at":"2026-11-21T02:40:00.000Z","origin":"api"}`)
	d.call(204, "DELETE", "/hourly-crawl", "")
	d.call(404, "DELETE", "/hourly-crawl", "")
	d.call(404, "GET", "/hourly-crawl", "")
}

func TestScheduleChangedToAnotherHour(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", `{"cron":"0 * * * *","timezone":"Asia/Shanghai","task":{"type":"echo"}}`)
	doc := d.call(200, "PUT", "/a", `{"cron":"0 2 * * *","timezone":"Asia/Shanghai","task":{"type":"echo"}}`)
	wantFields(t, doc, `{"next_run_at":"2026-11-21T18:00:00.000Z","timezone":"Asia/Shanghai"}`)
}

func TestScheduleDefaults(t *testing.T) {
	d := newDesk(t)
	const unset = `"timezone":null,"day_match":null,"misfire_grace_time":null,"coalesce":null,"max_instances":null,"jitter":null,
		"start_at":null,"end_at":null,"max_runs":null,"pause_after_failures":null,"paused":null,"cron":null,"at":null`
	for name, body := range map[string]string{
		"absent": everyMinute,
		"null": `{"every":"1m",` + unset + `,"task":{"type":"echo","payload":null,"queue":null,"max_retries":null,"timeout":null,
			"retention":null,"metadata":null,"callback":null}}`,
	} {
		wantFields(t, d.call(201, "PUT", "/"+name, body), `{"id":"`+name+`","cron":null,"every":"60s","at":null,"timezone":"UTC","day_match":"or",
			"task":{"type":"echo","payload":null,"queue":"default","max_retries":3,"timeout":"30m","retention":"1h","metadata":null,
			"callback":null},"misfire_grace_time":"60s","coalesce":true,"max_instances":1,"jitter":"0s","start_at":null,"end_at":null,"max_runs":null,
			"pause_after_failures":null,"paused":false,"paused_reason":null,"next_run_at":"2026-11-21T01:31:00.000Z","last_run_at":null,
			"last_task_id":null,"last_state":null,"run_count":0,"missed_count":0,"skipped_count":0,"failure_streak":0,
			"created_at":"2026-11-21T01:30:00.000Z","updated_at":"2026-11-21T01:30:00.000Z","origin":"api"}`)
	}
}

func TestScheduleKeepsWhatWasPut(t *testing.T) {
	d := newDesk(t)
	const body = `{"cron":"0 9 1 * mon","timezone":"Europe/Berlin","day_match":"and",
		"task":{"type":"echo","payload":{"big":12345678901234567890,"html":"<&>"},"queue":"low","max_retries":0,"timeout":"5s","retention":"2h","metadata":{"a":"b"}},
		"misfire_grace_time":"2h","coalesce":false,"max_instances":0,"jitter":"3s","start_at":"2027-01-01T01:00:00+01:00","end_at":"2036-01-01T00:00:00.5Z",
		"max_runs":7,"pause_after_failures":2,"paused":true}`
	d.call(201, "PUT", "/a", body)
	doc := d.call(200, "GET", "/a", "")
	wantFields(t, doc, `{"cron":"0 9 1 * mon","every":null,"timezone":"Europe/Berlin","day_match":"and",
		"misfire_grace_time":"2h","coalesce":false,"max_instances":0,"jitter":"3s","start_at":"2027-01-01T00:00:00.000Z",
		"end_at":"2036-01-01T00:00:00.500Z","max_runs":7,"pause_after_failures":2,"paused":true,"paused_reason":"user","next_run_at":null}`)
	wantFields(t, doc["task"].(map[string]any), `{"queue":"low","max_retries":0,"timeout":"5s","retention":"2h","metadata":{"a":"b"}}`)
	if raw := d.ask("GET", "/a", "").body; !strings.Contains(raw, "12345678901234567890") {
		t.Errorf("a number was rounded: %s", raw)
	}
	once := d.call(201, "PUT", "/once", `{"at":"2026-12-01T09:00:00+08:00","task":{"type":"echo"}}`)
	wantFields(t, once, `{"at":"2026-12-01T01:00:00.000Z","next_run_at":"2026-12-01T01:00:00.000Z"}`)
}

func TestBadSchedules(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/old", `{"every":"1m","task":{"type":"echo","payload":{"a":1}}}`)
	const good = `"task":{"type":"call","payload":{"url":"https://example.com"}}`
	for name, tt := range map[string]struct {
		body      string
		status    int
		locations string
	}{
		"malformed":             {`{"cron":`, 400, "body"},
		"trailing garbage":      {everyMinute + ` x`, 400, "body"},
		"not UTF-8":             {"{\"cron\":\"\xff\"}", 400, "body"},
		"deep nesting":          {strings.Repeat("[", 60_000), 400, "body"},
		"no object":             {`[]`, 422, "body"},
		"null":                  {`null`, 422, "body"},
		"a number out of range": {`{"every":"1m","task":{"type":"echo","payload":{"n":1e400}}}`, 422, "body"},
		"no trigger":            {`{` + good + `}`, 422, "body"},
		"two triggers":          {`{"cron":"@daily","every":"1h",` + good + `}`, 422, "body"},
		"three triggers":        {`{"cron":"@daily","every":"1h","at":"2030-01-01T00:00:00Z",` + good + `}`, 422, "body"},
		"empty cron":            {`{"cron":"",` + good + `}`, 422, "body.cron"},
		"bad cron":              {`{"cron":"99 * * * *",` + good + `}`, 422, "body.cron"},
		"cron never fires":      {`{"cron":"0 0 30 2 *",` + good + `}`, 422, "body.cron"},
		"bad timezone":          {`{"cron":"@daily","timezone":"Mars/Olympus",` + good + `}`, 422, "body.timezone"},
		"local timezone":        {`{"cron":"@daily","timezone":"Local",` + good + `}`, 422, "body.timezone"},
		"bad day_match":         {`{"cron":"@daily","day_match":"xor",` + good + `}`, 422, "body.day_match"},
		"every too short":       {`{"every":"999ms",` + good + `}`, 422, "body.every"},
		"every zero":            {`{"every":"0s",` + good + `}`, 422, "body.every"},
		"every negative":        {`{"every":"-5s",` + good + `}`, 422, "body.every"},
		"every a number":        {`{"every":90,` + good + `}`, 422, "body.every"},
		"every overflows":       {`{"every":"9999999999h",` + good + `}`, 422, "body.every"},
		"at no time":            {`{"at":"tomorrow",` + good + `}`, 422, "body.at"},
		"at without offset":     {`{"at":"2026-12-01T09:00:00",` + good + `}`, 422, "body.at"},
		"at too early":          {`{"at":"0001-01-01T00:00:00Z",` + good + `}`, 422, "body.at"},
		"at too late":           {`{"at":"9999-12-31T23:59:59-23:59",` + good + `}`, 422, "body.at"},
		"start too late":        {`{"every":"1h","start_at":"9999-01-01T00:00:00Z",` + good + `}`, 422, "body.start_at"},
		"end too late":          {`{"every":"1h","end_at":"9999-12-31T23:59:59-23:59",` + good + `}`, 422, "body.end_at"},
		"end before start":      {`{"every":"1h","start_at":"2030-01-02T00:00:00Z","end_at":"2030-01-01T00:00:00Z",` + good + `}`, 422, "body.end_at"},
		"grace too short":       {`{"every":"1h","misfire_grace_time":"0s",` + good + `}`, 422, "body.misfire_grace_time"},
		"grace too long":        {`{"every":"1h","misfire_grace_time":"169h",` + good + `}`, 422, "body.misfire_grace_time"},
		"coalesce no boolean":   {`{"every":"1h","coalesce":"yes",` + good + `}`, 422, "body.coalesce"},
		"negative instances":    {`{"every":"1h","max_instances":-1,` + good + `}`, 422, "body.max_instances"},
		"jitter too long":       {`{"every":"1h","jitter":"25h",` + good + `}`, 422, "body.jitter"},
		"no runs":               {`{"every":"1h","max_runs":0,` + good + `}`, 422, "body.max_runs"},
		"half a run":            {`{"every":"1h","max_runs":1.5,` + good + `}`, 422, "body.max_runs"},
		"too many runs":         {`{"every":"1h","max_runs":1e30,` + good + `}`, 422, "body.max_runs"},
		"no failures":           {`{"every":"1h","pause_after_failures":0,` + good + `}`, 422, "body.pause_after_failures"},
		"paused no boolean":     {`{"every":"1h","paused":1,` + good + `}`, 422, "body.paused"},
		"unknown field":         {`{"every":"1h","colour":1,` + good + `}`, 422, "body.colour"},
		"at that has passed":    {`{"at":"2026-11-21T01:28:59Z",` + good + `}`, 422, "body.at"},
		"field in capitals":     {`{"every":"1h","JITTER":"1s",` + good + `}`, 422, "body.JITTER"},
		"no task":               {`{"every":"1h"}`, 422, "body.task"},
		"task null":             {`{"every":"1h","task":null}`, 422, "body.task"},
		"task no object":        {`{"every":"1h","task":"call"}`, 422, "body.task"},
		"task without type":     {`{"every":"1h","task":{}}`, 422, "body.task.type"},
		"unknown type":          {`{"every":"1h","task":{"type":"nope"}}`, 422, "body.task.type"},
		"unknown field of task": {`{"every":"1h","task":{"type":"echo","delay":"1s"}}`, 422, "body.task.delay"},
		"unknown queue":         {`{"every":"1h","task":{"type":"echo","queue":"nope"}}`, 422, "body.task.queue"},
		"retries":               {`{"every":"1h","task":{"type":"echo","max_retries":1001}}`, 422, "body.task.max_retries"},
		"timeout":               {`{"every":"1h","task":{"type":"echo","timeout":"0s"}}`, 422, "body.task.timeout"},
		"timeout no duration":   {`{"every":"1h","task":{"type":"echo","timeout":"9999999999h"}}`, 422, "body.task.timeout"},
		"metadata":              {`{"every":"1h","task":{"type":"echo","metadata":{"a.b":1}}}`, 422, "body.task.metadata.a.b"},
		"payload lacks a field": {`{"every":"1h","task":{"type":"call","payload":{}}}`, 422, "body.task.payload.url"},
		"every fault at once": {`{"cron":"x","timezone":"Mars/Olympus","jitter":9,"misfire_grace_time":"9999999999h","colour":1,"max_runs":0,
			"start_at":"soon","task":{"type":"call","payload":{},"queue":"nope","max_retries":"5"}}`, 422,
			"body.cron body.timezone body.jitter body.misfire_grace_time body.colour body.max_runs body.start_at body.task.payload.url body.task.queue body.task.max_retries"},
		"no trigger and more": {`{"jitter":"25h","task":{"type":"nope"}}`, 422, "body body.jitter body.task.type"},
	} {
		t.Run(name, func(t *testing.T) {
			wantFaults(t, d.ask("PUT", "/new", tt.body), tt.status, tt.locations)
		})
	}
	d.call(404, "GET", "/new", "")

	for name, tt := range map[string]struct {
		body      string
		status    int
		locations string
	}{
		"malformed":             {`{"cron":`, 400, "body"},
		"not UTF-8":             {"{\"cron\":\"\xff\"}", 400, "body"},
		"no object":             {`[]`, 422, "body"},
		"null":                  {`null`, 422, "body"},
		"a number out of range": {`{"task":{"payload":{"n":1e400}}}`, 422, "body"},
		"trigger removed":       {`{"every":null}`, 422, "body"},
		"two triggers":          {`{"every":"1h","cron":"@daily"}`, 422, "body"},
		"bad cron":              {`{"cron":"x"}`, 422, "body.cron"},
		"unknown field":         {`{"colour":1}`, 422, "body.colour"},
		"unknown null":          {`{"colour":null}`, 422, "body.colour"},
		"unknown null in task":  {`{"task":{"colour":null}}`, 422, "body.task.colour"},
		"task removed":          {`{"task":null}`, 422, "body.task"},
		"type removed":          {`{"task":{"type":null}}`, 422, "body.task.type"},
		"payload does not fit":  {`{"task":{"type":"call"}}`, 422, "body.task.payload.url body.task.payload.a"},
		"several":               {`{"jitter":"25h","timezone":5,"task":{"queue":"nope"}}`, 422, "body.jitter body.timezone body.task.queue"},
	} {
		t.Run("patch: "+name, func(t *testing.T) {
			wantFaults(t, d.ask("PATCH", "/old", tt.body), tt.status, tt.locations)
		})
	}
	if got := revision(d.ask("GET", "/old", "")); got != "r1" {
		t.Errorf("bad patches changed it: %s", got)
	}
}

func wantFaults(t *testing.T, got answer, status int, locations string) {
	t.Helper()
	p := got.problem(t)
	var found []string
	for _, e := range p.Errors {
		found = append(found, e.Location)
	}
	if got.status != status || !sameWords(found, locations) {
		t.Errorf("%d at %q, want %d at %q: %s", got.status, found, status, locations, got.body)
	}
}

func TestScheduleProblemsDoNotRepeatPayloads(t *testing.T) {
	d := newDesk(t)
	for _, body := range []string{
		`{"every":"1h","task":{"type":"call","payload":{"url":"hunter2 is no URL: %zz"}}}`,
		`{"every":"1h","task":{"type":"call","payload":"hunter2"}}`,
		`{"every":"1h","task":{"type":"echo","payload":{},"metadata":{"a":["hunter2"]}}}`,
	} {
		if got := d.ask("PUT", "/a", body); got.status != 422 || strings.Contains(got.body, "hunter2") {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}

func TestBadScheduleRequests(t *testing.T) {
	d := newDesk(t)
	for name, tt := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		locations          string
	}{
		"bad id":            {"PUT", "/a%20b", everyMinute, nil, 422, "path.id"},
		"long id":           {"PUT", "/" + strings.Repeat("a", 101), everyMinute, nil, 422, "path.id"},
		"id of dots":        {"PUT", "/...", everyMinute, nil, 422, "path.id"},
		"slash in id":       {"PUT", "/a%2Fb", everyMinute, nil, 422, "path.id"},
		"text":              {"PUT", "/a", everyMinute, []string{"Content-Type", "text/plain"}, 415, ""},
		"too large":         {"PUT", "/a", strings.Repeat(" ", maxBodyBytes+1), nil, 413, ""},
		"empty":             {"PUT", "/a", "", []string{"Content-Type", "application/json"}, 400, ""},
		"limit 0":           {"GET", "?limit=0", "", nil, 422, "query.limit"},
		"limit 1001":        {"GET", "?limit=1001", "", nil, 422, "query.limit"},
		"bad cursor":        {"GET", "?cursor=!", "", nil, 422, "query.cursor"},
		"made-up cursor":    {"GET", "?cursor=AAAA", "", nil, 422, "query.cursor"},
		"runs 0":            {"GET", "/a/runs?limit=0", "", nil, 422, "query.limit"},
		"runs 201":          {"GET", "/a/runs?limit=201", "", nil, 422, "query.limit"},
		"unknown parameter": {"GET", "?colour=red", "", nil, 422, "query.colour"},
		"patch of none":     {"PATCH", "/none", `{"paused":true}`, nil, 404, ""},
		"pause of none":     {"POST", "/none/pause", "", nil, 404, ""},
		"resume of none":    {"POST", "/none/resume", "", nil, 404, ""},
		"trigger of none":   {"POST", "/none/trigger", "", nil, 404, ""},
		"runs of none":      {"GET", "/none/runs", "", nil, 404, ""},
		"preview count":     {"POST", "/preview", `{"cron":"@daily","count":1001}`, nil, 422, "body.count"},
		"preview count 0":   {"POST", "/preview", `{"cron":"@daily","count":0}`, nil, 422, "body.count"},
		"preview nothing":   {"POST", "/preview", `{}`, nil, 422, "body"},
		"preview two":       {"POST", "/preview", `{"cron":"@daily","every":"1h"}`, nil, 422, "body"},
		"preview several":   {"POST", "/preview", `{"cron":"x","timezone":"Mars/Olympus","after":"now","task":{}}`, nil, 422, "body.cron body.timezone body.after body.task"},
		"preview malformed": {"POST", "/preview", `{`, nil, 400, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			wantFaults(t, d.ask(tt.method, tt.path, tt.body, tt.header...), tt.status, tt.locations)
		})
	}
	for _, id := range []string{"a", "A.b_c-9", "preview", strings.Repeat("a", 100), ".a"} {
		d.call(201, "PUT", "/"+id, everyMinute)
		d.call(200, "GET", "/"+id, "")
	}
}

func TestIntervalIsKeptByPutsThatLeaveIt(t *testing.T) {
	d := newDesk(t)
	const next = `{"next_run_at":"2026-11-21T01:31:30.000Z"}`
	wantFields(t, d.call(201, "PUT", "/a", `{"every":"90s","task":{"type":"echo"}}`), next)
	d.at("2026-11-21T01:31:00Z")
	wantFields(t, d.call(200, "PUT", "/a", `{"every":"90s","task":{"type":"echo"}}`), next)
	wantFields(t, d.call(200, "PUT", "/a", `{"every":"1m30s","timezone":"UTC","task":{"type":"echo","queue":"low"},"max_instances":3}`), next)
	wantFields(t, d.call(200, "PATCH", "/a", `{"coalesce":false}`), next)
	wantFields(t, d.call(200, "PUT", "/a", `{"every":"2m","task":{"type":"echo"}}`), `{"next_run_at":"2026-11-21T01:33:00.000Z"}`)
	wantFields(t, d.call(200, "PATCH", "/a", `{"start_at":"2026-11-21T01:31:10Z"}`), `{"next_run_at":"2026-11-21T01:31:10.000Z"}`)
}

func TestPatchSchedule(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", `{"cron":"0 2 * * *","timezone":"Europe/Berlin","jitter":"5s","max_runs":9,"pause_after_failures":3,
		"task":{"type":"echo","payload":{"keep":12345678901234567890,"drop":1,"deep":{"a":1,"b":2}},"queue":"low","metadata":{"x":"1","y":"2"}}}`)
	doc := d.call(200, "PATCH", "/a", `{"jitter":null,"max_runs":null,"misfire_grace_time":"5m",
		"task":{"queue":null,"max_retries":7,"payload":{"drop":null,"deep":{"b":3},"new":{"n":null,"m":1}},"metadata":{"x":null}}}`)
	wantFields(t, doc, `{"cron":"0 2 * * *","timezone":"Europe/Berlin","jitter":"0s","max_runs":null,"pause_after_failures":3,"misfire_grace_time":"5m"}`)
	wantFields(t, doc["task"].(map[string]any), `{"queue":"default","max_retries":7,"metadata":{"y":"2"},
		"payload":{"keep":12345678901234567890,"deep":{"a":1,"b":3},"new":{"m":1}}}`)
	if raw := d.ask("GET", "/a", "").body; !strings.Contains(raw, "12345678901234567890") {
		t.Errorf("a number was rounded: %s", raw)
	}
	for _, contentType := range []string{"application/json", "application/merge-patch+json", "application/merge-patch+json; charset=utf-8"} {
		d.call(200, "PATCH", "/a", `{"max_instances":2}`, "Content-Type", contentType)
	}
	wantFields(t, d.call(200, "PATCH", "/a", `{"every":"1h"}`), `{"cron":null,"every":"1h","at":null,"next_run_at":"2026-11-21T02:30:00.000Z"}`)
	wantFields(t, d.call(200, "PATCH", "/a", `{"every":null,"at":"2026-12-01T00:00:00Z"}`), `{"cron":null,"every":null,"next_run_at":"2026-12-01T00:00:00.000Z"}`)
	wantFields(t, d.call(200, "PATCH", "/a", `{"task":{"payload":null,"metadata":null}}`)["task"].(map[string]any), `{"payload":null,"metadata":null,"max_retries":7}`)
	wantFields(t, d.call(200, "PATCH", "/a", `{"paused":true}`), `{"paused":true,"paused_reason":"user","next_run_at":null}`)
	wantFields(t, d.call(200, "PATCH", "/a", `{"jitter":"1s"}`), `{"paused":true,"paused_reason":"user"}`)
	wantFields(t, d.call(200, "PATCH", "/a", `{"paused":null,"jitter":null}`), `{"paused":false,"paused_reason":null,"next_run_at":"2026-12-01T00:00:00.000Z"}`)
	before := d.ask("GET", "/a", "")
	if after := d.ask("PATCH", "/a", `{}`); after.body != before.body || after.header.Get("ETag") != before.header.Get("ETag") {
		t.Errorf("an empty patch changed\n%s to\n%s", before.body, after.body)
	}
}

func TestSchedulePreconditions(t *testing.T) {
	d := newDesk(t)
	d.call(412, "PUT", "/a", everyMinute, "If-Match", "*")
	d.call(412, "PUT", "/a", everyMinute, "If-Match", `"r1"`)
	d.call(404, "PATCH", "/a", `{"paused":true}`, "If-Match", `"r1"`)
	d.call(201, "PUT", "/a", everyMinute, "If-None-Match", "*")
	d.call(412, "PUT", "/a", everyMinute, "If-None-Match", "*")
	d.call(200, "PUT", "/a", everyMinute, "If-None-Match", `"r9"`)
	d.call(200, "GET", "/a", "")
	for _, call := range [][3]string{
		{"PUT", "/a", everyMinute}, {"PATCH", "/a", `{"jitter":"1s"}`}, {"POST", "/a/pause", ""}, {"POST", "/a/resume", ""}, {"DELETE", "/a", ""},
	} {
		for _, stale := range []string{`"r1"`, `r2`, `W/"r2"`, `"nonsense"`, ","} {
			before := d.ask("GET", "/a", "")
			if tag := before.header.Get("ETag"); stale == tag {
				continue
			}
			got := d.ask(call[0], call[1], call[2], "If-Match", stale)
			if got.problem(t); got.status != 412 {
				t.Errorf("%s %s with If-Match %s: %d", call[0], call[1], stale, got.status)
			}
			if after := d.ask("GET", "/a", ""); after.body != before.body {
				t.Errorf("%s %s with If-Match %s changed it", call[0], call[1], stale)
			}
		}
		status := 200
		if call[0] == "DELETE" {
			status = 204
		}
		d.call(status, call[0], call[1], call[2], "If-Match", `"r99", `+d.ask("GET", "/a", "").header.Get("ETag"))
	}
	d.call(404, "GET", "/a", "")
}

// What GET answers can be sent back. It changes nothing, or what has been changed in it.
func TestScheduleIsPutBack(t *testing.T) {
	d := newDesk(t)
	d.types.AllowCallbacks()
	for name, body := range map[string]string{
		"defaults": `{"cron":"0 * * * *","task":{"type":"call","payload":{"url":"https://example.com"},"callback":{"url":"https://example.com/done"}}}`,
		"all set": `{"every":"1h","start_at":"2026-11-21T00:00:00.5+01:00","end_at":"2027-01-01T00:00:00Z","jitter":"5s","max_runs":3,
			"pause_after_failures":2,"task":{"type":"call","payload":{"url":"https://example.com"},"queue":"low","max_retries":1,"timeout":"5s",
			"retention":"5h","metadata":{"b":"1","a":"2"}}}`,
		"paused": `{"every":"1h","paused":true,"task":{"type":"echo"}}`,
		"once":   `{"at":"2026-11-21T01:29:30Z","task":{"type":"echo"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			d.at("2026-11-21T01:30:00Z")
			d.call(201, "PUT", "/a", body)
			d.at("2026-11-21T03:30:00Z")
			before := d.ask("GET", "/a", "")
			entries := len(d.audited())
			for _, method := range []string{"PUT", "PATCH"} {
				got := d.ask(method, "/a", before.body, "If-Match", before.header.Get("ETag"))
				if got.status != 200 || got.body != before.body || got.header.Get("ETag") != before.header.Get("ETag") {
					t.Errorf("%s: %d, ETag %s: %s, want that of\n%s", method, got.status, got.header.Get("ETag"), got.body, before.body)
				}
			}
			if n := len(d.audited()); n != entries {
				t.Errorf("%d entries in the audit log tell of no change", n-entries)
			}
			changed := strings.Replace(before.body, `"misfire_grace_time":"60s"`, `"misfire_grace_time":"61s"`, 1)
			wantFields(t, d.call(200, "PUT", "/a", changed), `{"misfire_grace_time":"61s","updated_at":"2026-11-21T03:30:00.000Z"}`)
			if n := len(d.audited()); n != entries+1 {
				t.Errorf("%d entries in the audit log tell of a change", n-entries)
			}
			d.call(204, "DELETE", "/a", "")
		})
	}
}

// audited returns what the audit log says.
func (d *desk) audited() []any {
	d.t.Helper()
	got := ask(d.t, "GET", d.base+"/v1/audit?limit=1000", "")
	var page struct{ Items []any }
	if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 {
		d.t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	return page.Items
}

// The history says which ticks a pause has kept from running.
func TestPauseIsTold(t *testing.T) {
	for end, call := range map[string][3]string{
		"resume": {"POST", "/a/resume", ""}, "patch": {"PATCH", "/a", `{"paused":false}`}, "put": {"PUT", "/a", everyMinute},
	} {
		t.Run(end, func(t *testing.T) {
			d := newDesk(t)
			d.call(201, "PUT", "/a", everyMinute)
			d.call(200, "POST", "/a/pause", "")
			d.at("2026-11-21T01:32:30Z")
			wantFields(t, d.call(200, call[0], call[1], call[2]), `{"skipped_count":0,"missed_count":0,"next_run_at":"2026-11-21T01:33:00.000Z"}`)
			runs, _ := d.call(200, "GET", "/a/runs", "")["items"].([]any)
			if len(runs) != 2 {
				t.Fatalf("the history says %v", runs)
			}
			newest, _ := runs[0].(map[string]any)
			wantFields(t, newest, `{"tick":"2026-11-21T01:32:00.000Z","outcome":"skipped","reason":"paused","task_id":null,"fired_at":null,"state":null}`)
		})
	}
}

// Two who have seen the same revision cannot both change it.
func TestParallelEditors(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", everyMinute)
	var wins atomic.Int64
	var editing sync.WaitGroup
	for editor := range 20 {
		editing.Go(func() {
			for round := range 5 {
				tag := d.ask("GET", "/a", "").header.Get("ETag")
				method, body := "PATCH", fmt.Sprintf(`{"task":{"metadata":{"editor-%d":"%d"}}}`, editor, round)
				if editor%4 == 0 {
					method, body = "PUT", fmt.Sprintf(`{"every":"1m","task":{"type":"echo","metadata":{"only":"%d-%d"}}}`, editor, round)
				}
				switch got := d.ask(method, "/a", body, "If-Match", tag); got.status {
				case 200:
					wins.Add(1)
				case 412:
				default:
					t.Errorf("%s: %d %s", method, got.status, got.body)
				}
			}
		})
	}
	editing.Wait()
	if got := revision(d.ask("GET", "/a", "")); got != fmt.Sprintf("r%d", 1+wins.Load()) || wins.Load() == 0 {
		t.Errorf("%d wins, and the ETag is %s", wins.Load(), got)
	}
}

// Without If-Match nobody's change is lost either: each is made to what the one before has left.
func TestParallelPatches(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", everyMinute)
	var editing sync.WaitGroup
	for editor := range 20 {
		editing.Go(func() {
			d.ask("PATCH", "/a", fmt.Sprintf(`{"task":{"metadata":{"editor-%d":"was here"}}}`, editor))
		})
	}
	editing.Wait()
	doc := d.ask("GET", "/a", "")
	if n := strings.Count(doc.body, "was here"); n != 20 || revision(doc) != "r21" {
		t.Errorf("%d patches are left, ETag %s: %s", n, doc.header.Get("ETag"), doc.body)
	}
}

func TestSchedulesOfTheConfiguration(t *testing.T) {
	d := newDesk(t)
	spec := schedule.NewSpec()
	spec.Cron, spec.Task.Type = "@daily", "echo"
	if _, err := d.store.Update(t.Context(), "a", func(*schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		s, err := schedule.Put(nil, "a", spec, false, schedule.OriginConfig, time.Now())
		return s, nil, err
	}); err != nil {
		t.Fatal(err)
	}
	for _, call := range [][2]string{{"PUT", everyMinute}, {"PATCH", `{"jitter":"1s"}`}, {"DELETE", ""}} {
		got := d.ask(call[0], "/a", call[1])
		if p := got.problem(t); got.status != 409 || !strings.Contains(p.Detail, "configuration file") {
			t.Errorf("%s: %d %s", call[0], got.status, got.body)
		}
	}
	wantFields(t, d.call(200, "POST", "/a/pause", ""), `{"origin":"config","paused":true}`)
	wantFields(t, d.call(200, "POST", "/a/resume", ""), `{"origin":"config","paused":false,"cron":"@daily"}`)
	d.call(202, "POST", "/a/trigger", "")
}

func TestPauseAndResume(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", everyMinute)
	paused := d.ask("POST", "/a/pause", "")
	if paused.status != 200 || revision(paused) != "r2" {
		t.Fatalf("%d, ETag %s", paused.status, paused.header.Get("ETag"))
	}
	wantFields(t, d.call(200, "POST", "/a/pause", ""), `{"paused":true,"paused_reason":"user","next_run_at":null}`)
	if tag := revision(d.ask("GET", "/a", "")); tag != "r2" {
		t.Errorf("a second pause changed it: %s", tag)
	}
	d.at("2026-11-21T05:30:20Z") // hours of it are missed
	wantFields(t, d.call(200, "POST", "/a/resume", ""), `{"paused":false,"paused_reason":null,"next_run_at":"2026-11-21T05:31:00.000Z","missed_count":0}`)
	wantFields(t, d.call(200, "POST", "/a/resume", ""), `{"paused":false,"next_run_at":"2026-11-21T05:31:00.000Z"}`)
}

func TestTriggeredRun(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", `{"cron":"@daily","task":{"type":"echo","payload":{"n":1},"queue":"low","max_retries":2}}`)
	got := d.ask("POST", "/a/trigger", "")
	var doc map[string]any
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil || got.status != 202 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	wantFields(t, doc, `{"type":"echo","queue":"low","state":"pending","payload":{"n":1},"max_retries":2,
		"schedule":{"id":"a","tick":"2026-11-21T01:30:00.000Z"}}`)
	if got.header.Get("Location") != fmt.Sprintf("/v1/tasks/%s", doc["id"]) {
		t.Errorf("Location %q of task %s", got.header.Get("Location"), doc["id"])
	}
	wantFields(t, want(t, 200, "GET", d.base+got.header.Get("Location"), ""), `{"state":"pending"}`)
	s := d.call(200, "GET", "/a", "")
	wantFields(t, s, `{"last_run_at":"2026-11-21T01:30:00.000Z","last_state":null,"run_count":0,"next_run_at":"2026-11-22T00:00:00.000Z"}`)
	if s["last_task_id"] != doc["id"] {
		t.Errorf("last_task_id %v", s["last_task_id"])
	}

	runs := d.call(200, "GET", "/a/runs", "")["items"].([]any)
	if len(runs) != 1 {
		t.Fatalf("%d runs", len(runs))
	}
	run := runs[0].(map[string]any)
	wantFields(t, run, `{"tick":"2026-11-21T01:30:00.000Z","fired_at":"2026-11-21T01:30:00.000Z","lateness_ms":0,"outcome":"triggered","state":"pending"}`)
	if run["task_id"] != doc["id"] {
		t.Errorf("task_id %v", run["task_id"])
	}
	want(t, 200, "POST", d.base+"/v1/tasks/"+doc["id"].(string)+"/cancel", "")
	wantFields(t, d.call(200, "GET", "/a/runs", "")["items"].([]any)[0].(map[string]any), `{"state":"canceled"}`)
	want(t, 204, "DELETE", d.base+"/v1/tasks/"+doc["id"].(string), "")
	wantFields(t, d.call(200, "GET", "/a/runs", "")["items"].([]any)[0].(map[string]any), `{"state":null}`)

	d.call(200, "POST", "/a/pause", "")
	d.call(202, "POST", "/a/trigger", "") // paused or not
}

func TestTriggerThatCannotBeEnqueued(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", everyMinute)
	first := d.call(202, "POST", "/a/trigger", "")
	d.refuse.Store(true)
	if got := d.ask("POST", "/a/trigger", ""); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	s, err := d.store.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Unfinished) != 1 || s.Unfinished[0] != first["id"] || s.LastTaskID != first["id"] {
		t.Errorf("unfinished %q, last task %q, want only %v", s.Unfinished, s.LastTaskID, first["id"])
	}
}

func TestRunsThatBecameNoTask(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", everyMinute)
	tick := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	if _, err := d.store.Update(t.Context(), "a", func(s *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		changed := *s
		changed.Missed++
		runs := []schedule.Run{
			{Tick: tick, Lateness: 90 * time.Second, Outcome: schedule.Missed},
			{Tick: tick.Add(time.Minute), Lateness: 7 * time.Millisecond, Outcome: schedule.Skipped},
		}
		return &changed, runs, nil
	}); err != nil {
		t.Fatal(err)
	}
	runs := d.call(200, "GET", "/a/runs", "")["items"].([]any)
	if len(runs) != 2 {
		t.Fatalf("%d runs", len(runs))
	}
	wantFields(t, runs[0].(map[string]any), `{"tick":"2026-11-21T02:01:00.000Z","fired_at":null,"lateness_ms":7,"task_id":null,"outcome":"skipped","state":null}`)
	wantFields(t, runs[1].(map[string]any), `{"tick":"2026-11-21T02:00:00.000Z","fired_at":null,"lateness_ms":90000,"task_id":null,"outcome":"missed","state":null}`)
	if some := d.call(200, "GET", "/a/runs?limit=1", "")["items"].([]any); len(some) != 1 {
		t.Errorf("%d runs with limit 1", len(some))
	}
	d.call(200, "GET", "/a/runs?limit=200", "")
	wantFields(t, d.call(200, "GET", "/a", ""), `{"missed_count":1}`)
}

func TestPagesOfSchedules(t *testing.T) {
	d := newDesk(t)
	if got := d.ask("GET", "", ""); got.status != 200 || strings.TrimSpace(got.body) != `{"items":[]}` {
		t.Errorf("%d %s", got.status, got.body)
	}
	for i := range 53 {
		d.call(201, "PUT", fmt.Sprintf("/s%02d", i), everyMinute)
	}
	first := d.call(200, "GET", "", "")
	if n := len(first["items"].([]any)); n != 50 || first["next_cursor"] == nil {
		t.Errorf("%d schedules without a limit, cursor %v", n, first["next_cursor"])
	}
	var ids []string
	for query := "?limit=20"; query != ""; {
		page := d.call(200, "GET", query, "")
		for _, item := range page["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		query = ""
		if cursor, more := page["next_cursor"].(string); more {
			query = "?limit=20&cursor=" + cursor
		}
	}
	for i, id := range ids {
		if id != fmt.Sprintf("s%02d", i) {
			t.Fatalf("place %d: %s", i, id)
		}
	}
	if len(ids) != 53 {
		t.Errorf("%d schedules", len(ids))
	}
	if all := d.call(200, "GET", "?limit=1000", ""); len(all["items"].([]any)) != 53 || all["next_cursor"] != nil {
		t.Errorf("%d schedules, cursor %v", len(all["items"].([]any)), all["next_cursor"])
	}
}

func TestPreview(t *testing.T) {
	d := newDesk(t)
	for name, tt := range map[string]struct{ body, runs string }{
		"gap of spring": {`{"cron":"30 2 * * *","timezone":"Europe/Berlin","after":"2026-03-27T12:00:00Z","count":3}`,
			"2026-03-28T02:30:00+01:00 2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00"},
		"strictly after":   {`{"cron":"0 * * * *","after":"2026-11-21T02:00:00Z","count":1}`, "2026-11-21T03:00:00Z"},
		"from now":         {`{"cron":"0 * * * *","count":1}`, "2026-11-21T02:00:00Z"},
		"interval":         {`{"every":"90s","after":"2026-11-21T02:00:00Z","count":2}`, "2026-11-21T02:01:30Z 2026-11-21T02:03:00Z"},
		"interval in zone": {`{"every":"1500ms","timezone":"Asia/Shanghai","after":"2026-11-21T02:00:00Z","count":2}`, "2026-11-21T10:00:01.500+08:00 2026-11-21T10:00:03+08:00"},
		"interval started": {`{"every":"1h","start_at":"2026-01-01T00:10:00Z","after":"2026-11-21T02:00:00Z","count":1}`, "2026-11-21T02:10:00Z"},
		"long interval":    {`{"every":"8784h","start_at":"1970-01-01T00:00:00Z","after":"2500-01-01T00:00:00Z","count":1}`, "2500-02-05T00:00:00Z"},
		"once":             {`{"at":"2026-12-01T09:00:00+08:00","timezone":"Asia/Shanghai"}`, "2026-12-01T09:00:00+08:00"},
		"once, gone":       {`{"at":"2026-12-01T09:00:00+08:00","after":"2026-12-01T01:00:00Z"}`, ""},
		"bounded":          {`{"cron":"0 0 * * *","after":"2026-11-21T00:00:00Z","end_at":"2026-11-23T00:00:00Z"}`, "2026-11-22T00:00:00Z 2026-11-23T00:00:00Z"},
		"both days":        {`{"cron":"0 0 13 * fri","day_match":"and","after":"2026-01-01T00:00:00Z","count":1}`, "2026-02-13T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := d.call(200, "POST", "/preview", tt.body)
			var runs []string
			for _, r := range doc["runs"].([]any) {
				runs = append(runs, r.(string))
			}
			if got := strings.Join(runs, " "); got != tt.runs {
				t.Errorf("%s\nwant %s", got, tt.runs)
			}
		})
	}
	for body, n := range map[string]int{
		`{"cron":"* * * * * *"}`: 10, `{"cron":"* * * * *","count":1000}`: 1000,
		`{"every":"8784h","after":"9900-01-01T00:00:00Z","count":1000,"timezone":"Pacific/Kiritimati"}`: 99, // RFC 3339 ends with the year 9999
	} {
		if got := len(d.call(200, "POST", "/preview", body)["runs"].([]any)); got != n {
			t.Errorf("%s: %d runs, want %d", body, got, n)
		}
	}
}

// What is stored and cannot be read is shown as such, and can be replaced and deleted like any other.
func TestUnreadableSchedules(t *testing.T) {
	d := newDesk(t)
	rdb := redis.NewClient(&redis.Options{Addr: d.redis.Addr()})
	defer rdb.Close()
	for _, id := range []string{"a", "b", "c"} {
		d.call(201, "PUT", "/"+id, everyMinute)
		if err := rdb.HSet(t.Context(), "backbeat:schedules:{beat}:specs", id, "{").Err(); err != nil {
			t.Fatal(err)
		}
	}
	wantFields(t, d.call(200, "GET", "/a", ""), `{"id":"a","paused":true,"paused_reason":"invalid","next_run_at":null,"origin":null}`)
	if n := len(d.call(200, "GET", "", "")["items"].([]any)); n != 3 {
		t.Errorf("%d are listed", n)
	}
	d.call(409, "POST", "/a/resume", "")
	d.call(409, "POST", "/a/trigger", "")
	d.call(200, "POST", "/a/pause", "")
	d.call(200, "GET", "/a/runs", "")
	wantFaults(t, d.ask("PATCH", "/a", `{"jitter":"1s"}`), 422, "body body.task.type")
	wantFields(t, d.call(200, "PATCH", "/a", everyMinute), `{"every":"60s","misfire_grace_time":"60s","paused":true,"paused_reason":"user"}`)
	wantFields(t, d.call(200, "POST", "/a/resume", ""), `{"paused":false}`)
	wantFields(t, d.call(200, "PUT", "/b", everyMinute), `{"every":"60s","paused":false,"paused_reason":null}`)
	d.call(204, "DELETE", "/c", "")
}

func TestScheduleOfATypeThatIsGone(t *testing.T) {
	d := newDesk(t)
	spec := schedule.NewSpec()
	spec.Cron, spec.Task.Type = "@daily", "gone"
	if _, err := d.store.Update(t.Context(), "a", func(*schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		s, err := schedule.Put(nil, "a", spec, false, schedule.OriginAPI, time.Now())
		return schedule.Pause(s, schedule.PausedInvalid, time.Now()), nil, err
	}); err != nil {
		t.Fatal(err)
	}
	doc := d.call(200, "GET", "/a", "")
	wantFields(t, doc, `{"paused":true,"paused_reason":"invalid","cron":"@daily"}`)
	wantFields(t, doc["task"].(map[string]any), `{"type":"gone","queue":null,"max_retries":null}`)
	d.call(409, "POST", "/a/resume", "")
	d.call(409, "POST", "/a/trigger", "")
	wantFields(t, d.call(200, "PATCH", "/a", `{"task":{"type":"echo"},"paused":false}`), `{"paused":false,"cron":"@daily"}`)
}

func TestPauseByFailuresStaysThat(t *testing.T) {
	d := newDesk(t)
	d.call(201, "PUT", "/a", everyMinute)
	if _, err := d.store.Update(t.Context(), "a", func(s *schedule.Schedule) (*schedule.Schedule, []schedule.Run, error) {
		return schedule.Pause(s, schedule.PausedByFailures, time.Now()), nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	wantFields(t, d.call(200, "PATCH", "/a", `{"jitter":"1s"}`), `{"jitter":"1s","paused":true,"paused_reason":"failures"}`)
	wantFields(t, d.call(200, "POST", "/a/pause", ""), `{"paused_reason":"failures"}`)
	wantFields(t, d.call(200, "PUT", "/a", everyMinute), `{"paused":false,"paused_reason":null}`)
}

func TestBeat(t *testing.T) {
	d := newDesk(t)
	beat := d.base + "/v1/beat"
	wantFields(t, want(t, 200, "GET", beat, ""), `{"leader":null,"standbys":[],"schedules":0,"next_run_at":null}`)
	d.call(201, "PUT", "/a", everyMinute)
	d.call(201, "PUT", "/b", `{"every":"1h","task":{"type":"echo"}}`)

	rdb := redis.NewClient(&redis.Options{Addr: d.redis.Addr()})
	defer rdb.Close()
	election := redisstore.NewLease(rdb)
	for i, id := range []string{"one", "two"} {
		c := lease.Candidate{Holder: lease.Holder{ID: id, Host: "host-" + id, PID: 10 + i}}
		if _, err := election.Acquire(t.Context(), c, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	doc := want(t, 200, "GET", beat, "")
	wantFields(t, doc, `{"schedules":2,"next_run_at":"2026-11-21T01:31:00.000Z","standbys":[{"id":"two","host":"host-two","pid":11}]}`)
	leader := doc["leader"].(map[string]any)
	wantFields(t, leader, `{"id":"one","host":"host-one","pid":10,"term":1}`)
	if since, err := time.Parse("2006-01-02T15:04:05.000Z", fmt.Sprint(leader["since"])); err != nil || time.Since(since).Abs() > time.Minute {
		t.Errorf("since %v: %v", leader["since"], err)
	}
}

func BenchmarkPutSchedule(b *testing.B) {
	base, _ := serveBroker(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	const body = `{"cron":"*/5 9-17 * * mon-fri","timezone":"Asia/Shanghai","task":{"type":"call","payload":{"url":"https://example.com/crawl"}}}`
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, fmt.Sprintf("%s/v1/schedules/s%d", base, n.Add(1)), strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusCreated {
				b.Errorf("status %d, %v", resp.StatusCode, err)
			}
			resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "schedules/s")
}
