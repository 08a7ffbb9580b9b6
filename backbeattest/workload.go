package backbeattest

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/internal/luascript"
)

//go:embed lua/*.lua
var files embed.FS

var (
	scripts    = luascript.Open(files, "lua")
	workScript = scripts.Script("work")
)

// The kinds of work that lua/work.lua returns.
const (
	kindRunning   = "running"
	kindPending   = "pending"
	kindPaused    = "paused" // pending, in a queue that is paused
	kindParked    = "parked" // waits for a worker that knows its type
	kindDue       = "due"    // scheduled or retrying, and due
	kindExpired   = "expired"
	kindOver      = "over" // finished, and its retention has ended
	kindCallbacks = "callbacks"
	kindEnds      = "ends"
	kindSchedule  = "schedule"
	kindTicks     = "ticks"
)

// work is what a deployment has to do at a time.
type work struct {
	now   time.Time
	next  time.Time // when something is due next; zero for never
	items []workItem
}

// workItem is what is to be done of one kind in one queue.
type workItem struct {
	kind, queue string
	count       int
	ids         []string // some of them; all of those that run
}

// readWork reads what the deployment has to do now.
func (d *Deployment) readWork(ctx context.Context) (work, error) {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	args := make([]any, len(d.queues))
	for i, queue := range d.queues {
		args[i] = queue
	}
	reply, err := workScript.Run(ctx, d.moved, nil, args...).Slice()
	if err != nil {
		return work{}, fmt.Errorf("read what the deployment has to do: %w", err)
	}
	w := work{now: millis(reply[0]), next: millis(reply[1])}
	for _, row := range reply[2:] {
		w.items = append(w.items, parseItem(row))
	}
	return w, nil
}

// millis returns zero for "".
func millis(reply any) time.Time {
	text, _ := reply.(string)
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func parseItem(row any) workItem {
	cells, _ := row.([]any)
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i], _ = cell.(string)
	}
	count, _ := strconv.Atoi(texts[2])
	return workItem{kind: texts[0], queue: texts[1], count: count, ids: texts[3:]}
}

// without returns the items but for those of the kinds.
func (w work) without(kinds ...string) (items []workItem) {
	for _, item := range w.items {
		if !slices.Contains(kinds, item.kind) {
			items = append(items, item)
		}
	}
	return items
}

// running returns the ids of the tasks that run.
func (w work) running() (ids []string) {
	for _, item := range w.items {
		if item.kind == kindRunning {
			ids = append(ids, item.ids...)
		}
	}
	return ids
}

// describe lists work, a line an item.
func (d *Deployment) describe(items []workItem) string {
	var b strings.Builder
	for _, item := range items {
		for _, id := range item.ids {
			b.WriteString("\n\t" + d.line(item, id))
		}
		if more := item.count - len(item.ids); more > 0 {
			b.WriteString("\n\t" + moreLine(item, more))
		}
	}
	return b.String()
}

// line describes a task, or a schedule, that is to be done.
func (d *Deployment) line(item workItem, id string) string {
	if item.kind == kindSchedule {
		return "schedule " + id + " is due"
	}
	name := "task " + id
	ctx, cancel := context.WithTimeout(context.Background(), redisWait)
	defer cancel()
	if t, err := d.Client().Task(ctx, id); err == nil {
		name += " (" + t.Type + ", " + string(t.State) + ")"
	}
	return name + " in queue " + item.queue + " " + reasons[item.kind]
}

var reasons = map[string]string{
	kindRunning: "is running",
	kindPending: "is pending",
	kindPaused:  "is pending: the queue is paused",
	kindParked:  "waits for a worker that knows its type",
	kindDue:     "is due",
	kindExpired: "has expired",
	kindOver:    "is to be dropped: its retention has ended",
}

func moreLine(item workItem, n int) string {
	switch item.kind {
	case kindCallbacks:
		return fmt.Sprintf("%d callbacks in the outbox of queue %s", n, item.queue)
	case kindEnds:
		return fmt.Sprintf("the ends of %d tasks of schedules, in queue %s, that the beat has not read", n, item.queue)
	case kindTicks:
		return fmt.Sprintf("%d batches of ticks in the outbox of the beat", n)
	case kindSchedule:
		return fmt.Sprintf("%d more schedules are due", n)
	default:
		return fmt.Sprintf("%d more in queue %s: each %s", n, item.queue, reasons[item.kind])
	}
}
