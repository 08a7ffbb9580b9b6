package enqueue

import (
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// Task shows a task as the API does.
func Task(t *task.Task) *client.Task {
	shown := &client.Task{
		ID: t.ID, Type: t.Type, Queue: t.Queue, State: t.State, WaitingFor: t.WaitingFor,
		Payload: catalog.OrNull(t.Payload), Result: catalog.OrNull(t.Result),
		Attempt: t.Attempt, TotalAttempts: t.TotalAttempts, MaxRetries: t.MaxRetries,
		Timeout: client.Duration(t.Timeout), Deadline: t.Deadline, Retention: client.Duration(t.Retention), KeptUntil: t.KeptUntil,
		Metadata: t.Metadata, CreatedAt: t.CreatedAt, RunAt: t.RunAt, StartedAt: t.StartedAt, FinishedAt: t.FinishedAt,
		ExpiresAt: t.ExpiresAt, UniqueUntil: t.UniqueUntil(), Worker: t.Worker, CancelRequested: t.CancelRequested,
	}
	if e := t.Error; e != nil {
		shown.Error = &client.Failure{Message: e.Message, Kind: e.Kind}
	}
	if p := t.Progress; p != nil {
		shown.Progress = &client.Progress{Percent: p.Percent, Message: p.Message}
	}
	if s := t.Schedule; s != nil {
		shown.Schedule = &client.Tick{ScheduleID: s.ScheduleID, Tick: s.At}
	}
	if cb := t.Callback; cb != nil {
		shown.Callback = &client.Webhook{URL: cb.URL, Events: cb.Events}
	}
	return shown
}
