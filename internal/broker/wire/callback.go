package wire

import (
	"bytes"
	"strings"

	"github.com/backbeat-go/backbeat/task"
)

// encodeCallback writes a callback for the header of a message: the events, a space and the URL.
func encodeCallback(c *task.Callback) string { return JoinEvents(c) + " " + c.URL }

// Callback returns the task's callback, nil if it has none.
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

// JoinEvents writes the events of a callback as the scripts read them, "" for no callback.
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

// EventsOf is JoinEvents for an encoded message. It decodes only messages that have a callback, which few have. It returns
// "" for a message that cannot be decoded.
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
