package typestore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/internal/typestore"
	"github.com/backbeat-go/backbeat/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ttl      = 24 * time.Hour
	patience = 20 * time.Second
)

var quiet = slog.New(slog.DiscardHandler)

type mailV1 struct {
	To string `json:"to"`
}

type mailV2 struct {
	Address string `json:"address"`
}

func mail(opts ...task.Option) *task.Type {
	return task.Define[mailV1, task.None]("mail", opts...).Type
}

func registration(t *testing.T, rdb redis.UniversalClient, worker string, types ...*task.Type) *typestore.Registration {
	t.Helper()
	handlers := make(map[string]*task.Handler)
	for _, typ := range types {
		for _, name := range append(typ.Aliases, typ.Name) {
			handlers[name] = &task.Handler{Type: typ}
		}
	}
	r, err := typestore.NewRegistration(rdb, typestore.RegistrationConfig{
		Worker: worker, Handlers: handlers, SDK: "test/1", TTL: ttl, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func renew(t *testing.T, r *typestore.Registration) {
	t.Helper()
	if err := r.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// reader is a catalog with what keeps it up to date.
type reader struct {
	*catalog.Catalog
	*typestore.Follower
}

func newReader(rdb redis.UniversalClient) reader {
	c := catalog.New([]string{"default"}, time.Hour)
	return reader{c, typestore.NewFollower(rdb, typestore.FollowerConfig{Types: c, TTL: ttl, Interval: time.Millisecond, Logger: quiet})}
}

// types loads, and returns what is known: name and number of workers.
func (r reader) types(t *testing.T) []string {
	t.Helper()
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, k := range r.Known() {
		list = append(list, fmt.Sprint(k.Name, " ", k.Workers))
	}
	return list
}

func (r reader) want(t *testing.T, want ...string) {
	t.Helper()
	if got := r.types(t); !slices.Equal(got, want) {
		t.Fatalf("the types and their workers are %q, want %q", got, want)
	}
}

// age makes Redis believe that all that it has seen of workers was so much earlier.
func age(t *testing.T, rdb redis.UniversalClient, by time.Duration) {
	t.Helper()
	for _, key := range []string{"backbeat:{types}:workers", "backbeat:{types}:seen"} {
		for _, z := range rdb.ZRangeWithScores(t.Context(), key, 0, -1).Val() {
			rdb.ZIncrBy(t.Context(), key, -float64(by.Milliseconds()), z.Member.(string))
		}
	}
}

func TestTypesOfLiveWorkers(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	a := registration(t, rdb, "a", mail(task.Describe("Sends it."), task.MaxRetries(7), task.Aliases("post")), task.Define[task.None, mailV1]("sum").Type)
	b := registration(t, rdb, "b", task.Define[task.None, mailV1]("sum").Type, task.Define[task.None, task.None]("secret", task.Internal()).Type)
	r := newReader(rdb)
	r.want(t)
	renew(t, a)
	r.want(t, "mail 1", "sum 1")
	renew(t, b)
	r.want(t, "mail 1", "sum 2")
	k := r.Known()[0]
	if k.Origin != catalog.OriginWorker || k.SDK != "test/1" || k.MaxRetries != 7 || k.Description != "Sends it." || time.Since(k.LastSeenAt) > time.Minute {
		t.Errorf("%+v", k)
	}
	for _, name := range []string{"mail", "post"} {
		made, err := r.Prepare(task.Request{Type: name, Payload: json.RawMessage(`{"to": "me"}`)}, time.Now())
		if err != nil || made.Type != name || made.MaxRetries != 7 {
			t.Errorf("%s: %+v, %v", name, made, err)
		}
		_, err = r.Prepare(task.Request{Type: name, Payload: json.RawMessage(`{"to": 1}`)}, time.Now())
		if err == nil || !strings.Contains(err.Error(), "payload.to: expected string") {
			t.Errorf("%s: a bad payload: %v", name, err)
		}
	}
	if _, err := r.Prepare(task.Request{Type: "secret"}, time.Now()); err == nil {
		t.Error("an internal type was accepted")
	}
}

func TestHeartbeatThatChangesNothingKeepsTheVersion(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	a := registration(t, rdb, "a", mail())
	renew(t, a)
	before := rdb.Get(t.Context(), "backbeat:{types}:version").Val()
	renew(t, a)
	if after := rdb.Get(t.Context(), "backbeat:{types}:version").Val(); after != before || before == "" {
		t.Errorf("the version was %q and is %q", before, after)
	}
}

func TestWorkerThatStopsIsTakenOff(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	worker := registration(t, rdb, "a", mail())
	if err := worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := newReader(rdb)
	r.want(t, "mail 1")
	worker.Stop(t.Context())
	r.want(t, "mail 0")
	if _, err := r.Prepare(task.Request{Type: "mail", Payload: json.RawMessage(`{"to": "me"}`)}, time.Now()); err != nil {
		t.Errorf("the type of a worker that has stopped is not known on: %v", err)
	}
}

func TestWorkerThatIsSilentCountsNoMore(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	a, b := registration(t, rdb, "a", mail()), registration(t, rdb, "b", mail())
	renew(t, a)
	age(t, rdb, time.Minute)
	renew(t, b)
	r := newReader(rdb)
	r.want(t, "mail 1")
	renew(t, a) // it was only stopped
	r.want(t, "mail 2")
}

func TestTypeIsKnownForItsTTL(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	renew(t, registration(t, rdb, "a", mail()))
	age(t, rdb, ttl-time.Minute)
	r := newReader(rdb)
	r.want(t, "mail 0")
	age(t, rdb, 2*time.Minute)
	newReader(rdb).want(t)
	for _, key := range []string{"docs", "sets", "runs", "workers", "seen"} {
		if n := rdb.Exists(t.Context(), "backbeat:{types}:"+key).Val(); n != 0 {
			t.Errorf("%s is left behind", key)
		}
	}
}

// A worker may live much longer than types.ttl.
func TestTypeOfALiveWorkerStays(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	a := registration(t, rdb, "a", mail())
	renew(t, a)
	age(t, rdb, 0)
	rdb.ZAdd(t.Context(), "backbeat:{types}:seen", redis.Z{Member: rdb.HKeys(t.Context(), "backbeat:{types}:docs").Val()[0], Score: 1})
	renew(t, a)
	newReader(rdb).want(t, "mail 1")
}

func TestRegistrationComesBackAfterRedisHasLostItsData(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	a := registration(t, rdb, "a", mail())
	renew(t, a)
	r := newReader(rdb)
	r.want(t, "mail 1")
	flush(t, rdb)
	r.want(t, "mail 0") // it goes by what it knows
	renew(t, a)
	r.want(t, "mail 1")
	newReader(rdb).want(t, "mail 1")
}

func TestLoadedWaitsForRedis(t *testing.T) {
	server := redistest.Start(t)
	r := newReader(server.Connect(t))
	server.Kill()
	if err := r.Load(t.Context()); err == nil {
		t.Fatal("it has loaded without Redis")
	}
	select {
	case <-r.Loaded():
		t.Error("it says to have loaded without Redis")
	default:
	}
	server.Restart()
	redistest.Poll(t, patience, "it has loaded", func() bool { return r.Load(t.Context()) == nil })
	<-r.Loaded()
	r.want(t) // and again, which closes nothing twice
}

func flush(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	keys := []string{"docs", "sets", "runs", "workers", "seen", "version"}
	for i, key := range keys {
		keys[i] = "backbeat:{types}:" + key
	}
	if err := rdb.Del(t.Context(), keys...).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestPayloadOfEitherLiveVersionIsAccepted(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	a := registration(t, rdb, "a", mail())
	b := registration(t, rdb, "b", task.Define[mailV2, task.None]("mail", task.MaxRetries(9)).Type)
	r := newReader(rdb)
	accepts := func(payload string) bool {
		if err := r.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := r.Prepare(task.Request{Type: "mail", Payload: json.RawMessage(payload)}, time.Now())
		return err == nil
	}
	const v1, v2, neither = `{"to": "me"}`, `{"address": "me"}`, `{"both": true}`
	renew(t, a)
	if !accepts(v1) || accepts(v2) {
		t.Error("with version 1 alone")
	}
	renew(t, b)
	if !accepts(v1) || !accepts(v2) || accepts(neither) {
		t.Error("with both versions")
	}
	age(t, rdb, time.Minute)
	renew(t, b)
	if accepts(v1) || !accepts(v2) {
		t.Error("with version 2 alone")
	}
}

func TestDocumentThatCannotBeReadSpoilsNoOther(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	renew(t, registration(t, rdb, "a", mail()))
	rdb.HSet(t.Context(), "backbeat:{types}:docs", "bad", `{"type": "bad", "payload_schema": {"type": 7}}`)
	rdb.HSet(t.Context(), "backbeat:{types}:sets", "badset", "bad gone")
	rdb.HSet(t.Context(), "backbeat:{types}:runs", "b", "badset")
	rdb.ZAdd(t.Context(), "backbeat:{types}:workers", redis.Z{Member: "b", Score: float64(time.Now().UnixMilli())})
	newReader(rdb).want(t, "mail 1")
}

func TestTypeThatIsTooLargeIsRefused(t *testing.T) {
	huge := mail(task.Describe(strings.Repeat("x", catalog.MaxDocument)))
	_, err := typestore.NewRegistration(nil, typestore.RegistrationConfig{Handlers: map[string]*task.Handler{"mail": {Type: huge}}})
	if err == nil || !strings.Contains(err.Error(), "task type mail: its schemas and description have") {
		t.Error(err)
	}
}

func TestManyTypesGoInParts(t *testing.T) {
	rdb := redistest.Start(t).Connect(t)
	var types []*task.Type
	for i := range 60 {
		types = append(types, task.Define[task.None, task.None](fmt.Sprint("type", i), task.Describe(strings.Repeat("x", catalog.MaxDocument-1000))).Type)
	}
	renew(t, registration(t, rdb, "a", types...))
	if got := newReader(rdb).types(t); len(got) != len(types) {
		t.Errorf("%d types are known, want %d", len(got), len(types))
	}
}

func TestRunSurvivesAnOutage(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Connect(t)
	r := newReader(rdb)
	server.Kill()
	err := r.Load(t.Context())
	if task.CodeOf(err) != task.CodeUnavailable {
		t.Errorf("without Redis: %v", err)
	}
	if err := registration(t, rdb, "a", mail()).Renew(t.Context()); task.CodeOf(err) != task.CodeUnavailable || errors.Is(err, context.Canceled) {
		t.Errorf("without Redis: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	server.Restart()
	renew(t, registration(t, rdb, "a", mail()))
	redistest.Poll(t, patience, "the type is known", func() bool { return len(r.Known()) == 1 })
	cancel()
	running.Wait()
}
