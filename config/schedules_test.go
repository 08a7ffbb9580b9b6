package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/schedule"
)

func TestSchedules(t *testing.T) {
	file := write(t, `
schedules:
  - id: crawl
    cron: "0 2 * * *"
    timezone: Asia/Shanghai
    task:
      type: http.request
      payload: {url: "https://example.com/<a>&b", body: {n: 12345678901}}
      metadata: {tenant: a}
    misfire_grace_time: 5m
    coalesce: false
    paused: true
  - id: once
    at: 2026-12-01T09:00:00+08:00   # a time in YAML, too
    task: {type: some.type}
    max_runs: null
`)
	crawl := schedule.NewSpec()
	crawl.Cron, crawl.Timezone = "0 2 * * *", "Asia/Shanghai"
	crawl.Task = schedule.Template{
		Type: "http.request", Metadata: map[string]string{"tenant": "a"},
		Payload: []byte(`{"body":{"n":12345678901},"url":"https://example.com/\u003ca\u003e\u0026b"}`), // as a store gives it back
	}
	crawl.MisfireGraceTime *= 5
	crawl.Coalesce = false
	once := schedule.NewSpec()
	once.At = time.Date(2026, 12, 1, 1, 0, 0, 0, time.UTC)
	once.Task.Type = "some.type"
	want := []config.Schedule{{ID: "crawl", Spec: crawl, Paused: true}, {ID: "once", Spec: once}}
	for _, p := range []config.Program{config.BeatProgram, config.APIProgram, config.Standalone} {
		if diff := cmp.Diff(want, load(t, p, []string{"--config", file}).Schedules); diff != "" {
			t.Errorf("%s: %s", p, diff)
		}
	}
}

func TestAllErrorsOfSchedulesAreReported(t *testing.T) {
	file := write(t, `
schedules:
  - {id: a, every: 90s, task: {type: t}}
  - {id: a, cron: "x", timezone: Mars/Olympus, colour: red, task: {type: t, max_retries: -1}}
  - {every: 1, jitter: 25h, task: {payload: 1}}
  - {id: b, every: 1h, at: 2026-12-01T09:00:00Z, task: {type: t, delay: 1s}}
`)
	found := validationErrors(t, config.BeatProgram, []string{"--config", file})
	want := "schedules[1].id schedules[1].cron schedules[1].timezone schedules[1].colour schedules[1].task.max_retries " +
		"schedules[2].id schedules[2].every schedules[2].jitter schedules[2].task.type schedules[3] schedules[3].task.delay"
	for key := range strings.FieldsSeq(want) {
		if f, ok := found[key]; !ok || f.Source != file || f.Message == "" {
			t.Errorf("no error for %s: %+v", key, f)
		}
		delete(found, key)
	}
	if len(found) > 0 {
		t.Errorf("more errors: %+v", found)
	}
}

func TestPayloadsOfSchedulesKeepTheirText(t *testing.T) {
	file := write(t, `
schedules:
  - id: a
    at: 2126-12-01
    task:
      type: t
      metadata: {zip: 01234}
      payload:
        <<: &base {day: 2026-12-01, zip: 01234}
        zip: 00000
        list: [1_000, null, 0x10, 2026-12-01T09:00:00Z, true, "7", !!str 8, .5]
        big: [1152921504606846977, 123456789012345678901234567890, -9007199254740993, 0.12345678901234567890, 1.10, 1e3]
        nothing: null
        again: *base
        2026-12-02: x
`)
	s := load(t, config.BeatProgram, []string{"--config", file}).Schedules[0]
	want := `{"2026-12-02":"x","again":{"day":"2026-12-01","zip":"01234"},` +
		`"big":[1152921504606846977,123456789012345678901234567890,-9007199254740993,0.12345678901234567890,1.10,1e3],` +
		`"day":"2026-12-01","list":["1_000",null,"0x10","2026-12-01T09:00:00Z",true,"7","8",".5"],"nothing":null,"zip":"00000"}`
	if diff := cmp.Diff(want, string(s.Spec.Task.Payload)); diff != "" {
		t.Error(diff)
	}
	if zip := s.Spec.Task.Metadata["zip"]; zip != "01234" || s.Spec.At.Year() != 2126 {
		t.Errorf("zip %q, at %v", zip, s.Spec.At)
	}
}
