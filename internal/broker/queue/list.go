package queue

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// listBudget bounds how many tasks one page looks at in search of the few that pass its filter.
	listBudget = 10_000
	// listChunk is how many entries are read at once where few may pass the filter.
	listChunk = 1000
	// pageBytes bounds what the messages and results of a page weigh. A single task may weigh more.
	pageBytes = 8 << 20
)

// List returns a page of up to limit tasks, queue by queue and in each the states in the order of task.States,
// newest first within a state. A task that does not move while somebody pages is listed exactly once; one
// that moves forward meanwhile may be listed again, but is never passed over. A page can be short, or even
// empty, and have a successor. Errors: CodeInvalid for a bad cursor, CodeUnavailable.
func (c *Client) List(ctx context.Context, f fleet.Filter, cursor string, limit int) (fleet.Page, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := c.knowsAll(ctx, f.Queues); err != nil {
		return fleet.Page{}, err
	}
	sections, err := c.sections(ctx, f)
	if err != nil {
		return fleet.Page{}, err
	}
	at, err := parsePosition(cursor, sections)
	if err != nil {
		return fleet.Page{}, err
	}
	p := pager{Client: c, filter: f, limit: limit, sections: sections, at: at, budget: listBudget, room: pageBytes}
	more, err := p.collect(ctx)
	if err != nil {
		return fleet.Page{}, err
	}
	page := fleet.Page{Tasks: p.tasks}
	if more {
		page.NextCursor = p.at.cursor(sections)
	}
	return page, nil
}

// pager makes a page.
type pager struct {
	*Client
	filter   fleet.Filter
	limit    int
	sections []section
	at       position
	budget   int // how many more tasks it may look at
	room     int // how many more bytes it may read
	tasks    []*task.Task
}

// collect reads on until the page is full, and reports whether there may be more then.
func (p *pager) collect(ctx context.Context) (more bool, err error) {
	for p.at.section < len(p.sections) {
		n := min(p.limit-len(p.tasks)+1, listChunk)
		if len(p.filter.Types) > 0 {
			n = listChunk
		}
		entries, err := p.entries(ctx, p.sections[p.at.section], p.at, p.at.entry, n)
		if err != nil {
			return false, err
		}
		if len(entries) == 0 {
			p.at = position{section: p.at.section + 1}
		}
		for len(entries) > 0 {
			seen, full, err := p.take(ctx, p.sections[p.at.section], entries)
			if err != nil || full {
				return true, err
			}
			entries = entries[seen:]
		}
	}
	return false, nil
}

// take goes through the first of the entries, and reads those that belong on the page. It returns how many it has gone
// through, and whether the page was full before the next.
func (p *pager) take(ctx context.Context, s section, entries []entry) (seen int, full bool, err error) {
	glances, err := p.glances(ctx, s.queue, entries)
	if err != nil {
		return 0, false, err
	}
	var chosen []entry
	for i, g := range glances {
		n := len(p.tasks) + len(chosen)
		if n == p.limit || p.budget == 0 || n > 0 && g.Weight > p.room {
			full = true
			break
		}
		p.at.entry, p.at.started = entries[i], true
		p.budget--
		seen++
		if state, known := g.state(); g.mayBe(p.filter) && (!known || s.shows(state, p.filter)) {
			chosen = append(chosen, entries[i])
			p.room -= g.Weight
		}
	}
	tasks, err := p.readEntries(ctx, s, chosen)
	for _, t := range tasks {
		if t != nil && s.shows(t.State, p.filter) && p.filter.HasType(t.Type) {
			p.tasks = append(p.tasks, t)
		}
	}
	return seen, full, err
}

// section is the list or sorted set of Redis, or what asynq's groups have in its place, that holds the tasks of a queue in one state.
type section struct {
	queue string
	state task.State
	key   string
	list  bool
	// parked sections are those, among what is scheduled to asynq, that wait for a worker that knows their type.
	parked bool
}

// shows reports whether a task found in the section belongs on the page. One that has moved on to a later
// section meanwhile will be found there.
func (s section) shows(state task.State, f fleet.Filter) bool {
	if len(f.States) > 0 && !slices.Contains(f.States, state) {
		return false
	}
	return slices.Index(task.States, state) <= slices.Index(task.States, s.state)
}

func (c *Client) sections(ctx context.Context, f fleet.Filter) ([]section, error) {
	queues := slices.Compact(slices.Sorted(slices.Values(f.Queues)))
	if len(queues) == 0 {
		var err error
		if queues, err = c.names.all(ctx); err != nil {
			return nil, err
		}
	}
	var sections []section
	for _, queue := range queues {
		for _, state := range task.States {
			if len(f.States) == 0 || slices.Contains(f.States, state) {
				sections = append(sections, newSection(queue, state))
			}
			if state == task.Pending && (len(f.States) == 0 || slices.Contains(f.States, state)) {
				sections = append(sections, section{queue: queue, state: state, key: wire.ScheduledKey(queue), parked: true})
			}
		}
	}
	return sections, nil
}

// knowsAll refuses queues of a filter that are not there.
func (c *Client) knowsAll(ctx context.Context, queues []string) error {
	for _, queue := range queues {
		err := c.knows(ctx, queue)
		if task.CodeOf(err) == task.CodeNotFound {
			return task.Invalid(task.ValidationError{Location: "queue", Message: strconv.Quote(queue) + " is not a known queue"})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func newSection(queue string, state task.State) section {
	s := section{queue: queue, state: state}
	switch state {
	case task.Scheduled:
		s.key = wire.ScheduledKey(queue)
	case task.Pending:
		s.key, s.list = wire.PendingKey(queue), true
	case task.Running:
		s.key, s.list = wire.ActiveKey(queue), true
	case task.Retrying:
		s.key = wire.RetryKey(queue)
	case task.Succeeded:
		s.key = wire.CompletedKey(queue)
	case task.Failed:
		// Among what asynq archived, because a stock server knows no other place for a failed task.
		s.key = wire.ArchivedKey(queue)
	case task.Canceled, task.Expired:
		s.key = wire.OwnPrefix(queue) + string(state)
	}
	return s
}

// entry is a place in a section.
type entry struct {
	ID    string  `json:"i"`
	Score float64 `json:"s,omitempty"` // in a sorted set
	Rest  int64   `json:"r,omitempty"` // in a list: how many entries come after it
	groupPlace

	weight int // bytes of its message and result, 0 where that is not known
}

// position is how far a reader has come: the section, and the last entry seen in it.
type position struct {
	section int
	started bool
	entry
}

type wireCursor struct {
	Queue string     `json:"q"`
	State task.State `json:"t"`
	// Parked is the section's.
	Parked bool `json:"p,omitempty"`
	entry
}

func (p position) cursor(sections []section) string {
	s := sections[p.section]
	data, err := json.Marshal(wireCursor{s.queue, s.state, s.parked, p.entry})
	if err != nil {
		return "" // plain strings and numbers always marshal
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func parsePosition(cursor string, sections []section) (position, error) {
	if cursor == "" {
		return position{}, nil
	}
	var w wireCursor
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	i := slices.IndexFunc(sections, func(s section) bool { return s.queue == w.Queue && s.state == w.State && s.parked == w.Parked })
	if err != nil || i < 0 || w.State == task.Aggregating && w.ID != "" && !isScan(w.Scan) {
		return position{}, task.Invalid(task.ValidationError{Location: "cursor", Message: "is not a cursor of this list; begin without one"})
	}
	return position{section: i, started: w.ID != "", entry: w.entry}, nil
}

// entries reads up to n entries after a position. It looks for that from an entry on that is there or before it.
func (c *Client) entries(ctx context.Context, s section, at position, from entry, n int) ([]entry, error) {
	switch {
	case s.list:
		return c.listEntries(ctx, s.key, at, int64(n))
	case s.state == task.Aggregating:
		return c.groupEntries(ctx, s.queue, at, from, int64(n))
	case s.parked:
		entries, err := c.setEntries(ctx, s.key, at, from, int64(n))
		if end := slices.IndexFunc(entries, func(e entry) bool { return e.Score < wire.ParkedScore }); end >= 0 {
			entries = entries[:end]
		}
		return entries, err
	case s.state == task.Scheduled && !at.started: // behind those that are parked
		from = entry{Score: wire.ParkedScore}
		return c.setEntries(ctx, s.key, position{started: true, entry: from}, from, int64(n))
	default:
		return c.setEntries(ctx, s.key, at, from, int64(n))
	}
}

// listEntries reads on in a list, whose left end is the newest. The list grows there and shrinks on the right while it is
// read. So a position is how many entries come after it, which brings the reader to the entry or before it, and from there to
// the entry itself. If that has gone, reading goes on where as many entries are left as were left then: some may come again,
// none is lost.
func (c *Client) listEntries(ctx context.Context, key string, at position, n int64) ([]entry, error) {
	if !at.started {
		ids, length, err := c.slice(ctx, key, 0, n)
		return entriesOf(ids, length), err
	}
	ids, rest, err := c.slice(ctx, key, -(at.Rest + 1), n+1)
	if err != nil {
		return nil, err
	}
	if i := slices.Index(ids, at.ID); i >= 0 {
		return entriesOf(ids[i+1:], rest-int64(i)-1), nil
	}
	// The entry has gone, or many behind it have; or some have come there, which is rare.
	place, err := c.rdb.LPos(ctx, key, at.ID, redis.LPosArgs{Rank: -1}).Result()
	if redisconn.Coded(err) != nil {
		return nil, redisconn.Coded(err)
	}
	from := place + 1
	if err != nil {
		if at.Rest == 0 {
			return nil, nil
		}
		from = -at.Rest
	}
	ids, rest, err = c.slice(ctx, key, from, n)
	return entriesOf(ids, rest), err
}

// slice reads up to n ids of a list from an index on, and returns how many entries the list has from there to its end. A
// negative index counts from the end, and stands for the whole list if that is shorter.
func (c *Client) slice(ctx context.Context, key string, from, n int64) (ids []string, rest int64, err error) {
	to := from + n - 1
	if from < 0 {
		to = min(to, -1)
	}
	var length *redis.IntCmd
	var values *redis.StringSliceCmd
	_, err = c.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		length, values = p.LLen(ctx, key), p.LRange(ctx, key, from, to)
		return nil
	})
	if err != nil {
		return nil, 0, redisconn.Coded(err)
	}
	rest = length.Val() - from
	if from < 0 {
		rest = min(-from, length.Val())
	}
	return values.Val(), rest, nil
}

// entriesOf makes entries of the first ids of rest ones.
func entriesOf(ids []string, rest int64) []entry {
	entries := make([]entry, len(ids))
	for i, id := range ids {
		entries[i] = entry{ID: id, Rest: rest - int64(i) - 1}
	}
	return entries
}

// setEntries reads on in a sorted set, from high scores to low, and among equal scores in the reverse order of
// the ids: that is Redis's own order, so a position stays exact whatever comes and goes. It looks for the position from
// an entry on that is there or before it.
func (c *Client) setEntries(ctx context.Context, key string, at position, from entry, n int64) ([]entry, error) {
	var start int64
	if at.started {
		var err error
		if start, err = c.rankAfter(ctx, key, from); err != nil {
			return nil, err
		}
	}
	var entries []entry
	for len(entries) == 0 {
		members, err := c.rdb.ZRevRangeWithScores(ctx, key, start, start+n-1).Result()
		if err != nil || len(members) == 0 {
			return nil, redisconn.Coded(err)
		}
		for _, m := range members {
			id, _ := m.Member.(string)
			seen := at.started && (m.Score > at.Score || m.Score == at.Score && id >= at.ID)
			if !seen {
				entries = append(entries, entry{ID: id, Score: m.Score})
			}
		}
		start += int64(len(members))
	}
	return entries, nil
}

// rankAfter returns a rank at or before which all entries have been seen: that of the entry itself, or if it has
// gone or got another score, that of the first entry with the same score.
func (c *Client) rankAfter(ctx context.Context, key string, e entry) (int64, error) {
	score, err := c.rdb.ZScore(ctx, key, e.ID).Result()
	if redisconn.Coded(err) != nil {
		return 0, redisconn.Coded(err)
	}
	if err == nil && score == e.Score {
		rank, err := c.rdb.ZRevRank(ctx, key, e.ID).Result()
		return rank, redisconn.Coded(err)
	}
	above, err := c.rdb.ZCount(ctx, key, "("+formatScore(e.Score), "+inf").Result()
	return above, redisconn.Coded(err)
}

func formatScore(score float64) string { return strconv.FormatFloat(score, 'f', -1, 64) }

func (c *Client) readEntries(ctx context.Context, s section, entries []entry) ([]*task.Task, error) {
	refs := make([]wire.Ref, len(entries))
	for i, e := range entries {
		refs[i] = wire.Ref{Queue: s.queue, ID: e.ID}
	}
	records, err := c.read(ctx, refs)
	if err != nil {
		return nil, err
	}
	tasks := make([]*task.Task, len(records))
	for i, r := range records {
		if r == nil {
			continue
		}
		if (s.state == task.Scheduled || s.state == task.Retrying) && r.Fields[wire.FieldRunAt] == "" {
			r.Fields[wire.FieldRunAt] = strconv.FormatInt(int64(entries[i].Score)*1000, 10)
		}
		tasks[i] = r.Task()
	}
	return tasks, nil
}
