package wire

import (
	"bytes"
	"strings"

	"github.com/backbeat-go/backbeat/task"
)

// encodeCallback writes a callback for the header of a message: the events, a space and the URL.
func encodeCallback(c *task.Callback) string { return JoinEvents(c) + " " + c.URL }

// callback returns nil if nobody is to be told.
func (m *Message) Callback() *task.Callback {
	events, url, ok := strings.Cut(m.Headers.get(headerCallback), " ")
	if !ok {
		return nil
	}
	c := &task.Callback{URL: url}
	for event := range strings.SplitSeq(events, ",") {
		c.Events = append(c.Events, task.State(event))
	}
	return c
}

// joinEvents writes the events of a callback as the scripts read them, "" for no callback.
func JoinEvents(c *task.Callback) string {
	if c == nil {
		return ""
	}
	names := make([]string, len(c.Events))
	for i, event := range c.Events {
		names[i] = string(event)
	}
	return strings.Join(names, ",")
}

// eventsOf is joinEvents for a message that is encoded. Few have a callback, and only those are read.
func EventsOf(encoded []byte) string {
	if !bytes.Contains(encoded, []byte(headerCallback)) {
		return ""
	}
	m, err := DecodeMessage(encoded)
	if err != nil {
		return ""
	}
	return JoinEvents(m.Callback())
}
