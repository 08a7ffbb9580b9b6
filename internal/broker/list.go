package broker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

// listBudget bounds how many tasks one page looks at in search of the few that pass its filter.
const listBudget = 10_000

// List returns a page of up to limit tasks, queue by queue and in each the states in the order of task.States,
// newest first within a state. A task that does not move while somebody pages is listed exactly once; one
// that moves forward meanwhile may be listed again, but is never passed over. A page can be short, or even
// empty, and have a successor. Errors: CodeInvalid for a bad cursor, CodeUnavailable.
func (c *Client) List(ctx context.Context, f task.Filter, cursor string, limit int) (task.Page, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	sections, err := c.sections(ctx, f)
	if err != nil {
		return task.Page{}, err
	}
	at, err := parsePosition(cursor, sections)
	if err != nil {
		return task.Page{}, err
	}
	var page task.Page
	for budget := listBudget; at.section < len(sections); {
		s := sections[at.section]
		entries, err := c.entries(ctx, s, at, min(limit+1, 1000))
		if err != nil {
			return task.Page{}, err
		}
		if len(entries) == 0 {
			at = position{section: at.section + 1}
			continue
		}
		tasks, err := c.readEntries(ctx, s, entries)
		if err != nil {
			return task.Page{}, err
		}
		for i, t := range tasks {
			if len(page.Tasks) == limit || budget == 0 {
				page.NextCursor = at.cursor(sections)
				return page, nil
			}
			at.entry, at.started = entries[i], true
			budget--
			if t != nil && s.shows(t.State, f) && (f.Type == "" || t.Type == f.Type) {
				page.Tasks = append(page.Tasks, t)
			}
		}
	}
	return page, nil
}

// section is the list or sorted set of Redis that holds the tasks of a queue in one state.
type section struct {
	queue string
	state task.State
	key   string
	list  bool
}

// shows reports whether a task found in the section belongs on the page. One that has moved on to a later
// section meanwhile will be found there.
func (s section) shows(state task.State, f task.Filter) bool {
	if f.State != "" {
		return state == f.State
	}
	return slices.Index(task.States, state) <= slices.Index(task.States, s.state)
}

func (c *Client) sections(ctx context.Context, f task.Filter) ([]section, error) {
	queues := []string{f.Queue}
	if f.Queue == "" {
		var err error
		if queues, err = c.names.all(ctx); err != nil {
			return nil, err
		}
	}
	states := task.States
	if f.State != "" {
		states = []task.State{f.State}
	}
	var sections []section
	for _, queue := range queues {
		for _, state := range states {
			sections = append(sections, newSection(queue, state))
		}
	}
	return sections, nil
}

func newSection(queue string, state task.State) section {
	s := section{queue: queue, state: state}
	switch state {
	case task.Scheduled:
		s.key = scheduledKey(queue)
	case task.Pending:
		s.key, s.list = pendingKey(queue), true
	case task.Running:
		s.key, s.list = activeKey(queue), true
	case task.Retrying:
		s.key = retryKey(queue)
	case task.Succeeded:
		s.key = completedKey(queue)
	case task.Failed:
		// Among what asynq archived, because a stock server knows no other place for a failed task.
		s.key = archivedKey(queue)
	case task.Canceled, task.Expired:
		s.key = ownPrefix(queue) + string(state)
	}
	return s
}

// entry is a place in a section.
type entry struct {
	ID    string  `json:"i"`
	Score float64 `json:"s,omitempty"` // in a sorted set
	Rest  int64   `json:"r,omitempty"` // in a list: how many entries come after it
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
	entry
}

func (p position) cursor(sections []section) string {
	s := sections[p.section]
	data, err := json.Marshal(wireCursor{s.queue, s.state, p.entry})
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
	i := slices.IndexFunc(sections, func(s section) bool { return s.queue == w.Queue && s.state == w.State })
	if err != nil || i < 0 {
		return position{}, task.Invalid(task.Fault{Location: "cursor", Message: "is not a cursor of this list; begin without one"})
	}
	return position{section: i, started: w.ID != "", entry: w.entry}, nil
}

// entries reads up to n entries after a position.
func (c *Client) entries(ctx context.Context, s section, at position, n int) ([]entry, error) {
	if s.list {
		return c.listEntries(ctx, s.key, at, int64(n))
	}
	return c.setEntries(ctx, s.key, at, at.entry, int64(n))
}

// listEntries reads on in a list, whose left end is the newest. The list grows there and shrinks on the right
// while it is read, so a position is an entry, not an index. If the entry itself has gone, reading goes on
// where as many entries are left as were left then: some may come again, none is lost.
func (c *Client) listEntries(ctx context.Context, key string, at position, n int64) ([]entry, error) {
	length, err := c.rdb.LLen(ctx, key).Result()
	if err != nil {
		return nil, wrap(err)
	}
	var start int64
	if at.started {
		start, err = c.rdb.LPos(ctx, key, at.ID, redis.LPosArgs{}).Result()
		if wrap(err) != nil {
			return nil, wrap(err)
		}
		start++
		if err != nil {
			start = max(0, length-at.Rest)
		}
	}
	ids, err := c.rdb.LRange(ctx, key, start, start+n-1).Result()
	if err != nil {
		return nil, wrap(err)
	}
	entries := make([]entry, len(ids))
	for i, id := range ids {
		entries[i] = entry{ID: id, Rest: max(0, length-start-int64(i)-1)}
	}
	return entries, nil
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
			return nil, wrap(err)
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
	if wrap(err) != nil {
		return 0, wrap(err)
	}
	if err == nil && score == e.Score {
		rank, err := c.rdb.ZRevRank(ctx, key, e.ID).Result()
		return rank, wrap(err)
	}
	above, err := c.rdb.ZCount(ctx, key, "("+formatScore(e.Score), "+inf").Result()
	return above, wrap(err)
}

func formatScore(score float64) string { return strconv.FormatFloat(score, 'f', -1, 64) }

func (c *Client) readEntries(ctx context.Context, s section, entries []entry) ([]*task.Task, error) {
	refs := make([]ref, len(entries))
	for i, e := range entries {
		refs[i] = ref{s.queue, e.ID}
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
		if (s.state == task.Scheduled || s.state == task.Retrying) && r.fields[fieldRunAt] == "" {
			r.fields[fieldRunAt] = strconv.FormatInt(int64(entries[i].Score)*1000, 10)
		}
		tasks[i] = r.task()
	}
	return tasks, nil
}
