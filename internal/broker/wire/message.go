package wire

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message is asynq's TaskMessage: the part of a task that every asynq client, server and tool reads and
// writes. The field numbers are those of asynq's internal/proto/asynq.proto, which do not change because stored messages have
// them. asynq does not export its type, so this package has its own codec.
type Message struct {
	Type         string
	Payload      []byte
	ID           string
	Queue        string
	Retry        int // the limit of retries
	Retried      int // the retries used so far
	ErrorMsg     string
	LastFailedAt int64 // unix seconds
	Timeout      int64 // seconds
	Deadline     int64 // unix seconds
	UniqueKey    string
	GroupKey     string
	Retention    int64 // seconds
	CompletedAt  int64 // unix seconds
	Headers      headers
}

// Field numbers of asynq.TaskMessage.
const (
	numType         = 1
	numPayload      = 2
	numID           = 3
	numQueue        = 4
	numRetry        = 5
	numRetried      = 6
	numErrorMsg     = 7
	numTimeout      = 8
	numDeadline     = 9
	numUniqueKey    = 10
	numLastFailedAt = 11
	numRetention    = 12
	numCompletedAt  = 13
	numGroupKey     = 14
	numHeaders      = 15
)

var errBadMessage = errors.New("not an asynq task message")

// Encode returns the encoded message. Equal messages have equal bytes; enqueue.lua recognizes a repeated enqueue by them.
// Invalid UTF-8 in strings is replaced, because asynq cannot decode a message that has it.
func (m *Message) Encode() []byte {
	b := make([]byte, 0, 384+len(m.Payload)) // enough for most messages beside the payload
	b = AppendString(b, numType, m.Type)
	if len(m.Payload) > 0 {
		b = protowire.AppendTag(b, numPayload, protowire.BytesType)
		b = protowire.AppendBytes(b, m.Payload)
	}
	b = AppendString(b, numID, m.ID)
	b = AppendString(b, numQueue, m.Queue)
	b = AppendInt(b, numRetry, int64(m.Retry))
	b = AppendInt(b, numRetried, int64(m.Retried))
	b = AppendString(b, numErrorMsg, m.ErrorMsg)
	b = AppendInt(b, numTimeout, m.Timeout)
	b = AppendInt(b, numDeadline, m.Deadline)
	b = AppendString(b, numUniqueKey, m.UniqueKey)
	b = AppendInt(b, numLastFailedAt, m.LastFailedAt)
	b = AppendInt(b, numRetention, m.Retention)
	b = AppendInt(b, numCompletedAt, m.CompletedAt)
	b = AppendString(b, numGroupKey, m.GroupKey)
	m.Headers.sort()
	for _, h := range m.Headers {
		b = appendHeader(b, h)
	}
	return b
}

// AppendString appends a string field, or nothing for "". Invalid UTF-8 is replaced.
func AppendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	s = validUTF8(s)
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

// appendHeader appends an entry of the map, whose fields are 1 and 2.
func appendHeader(b []byte, h header) []byte {
	h = header{validUTF8(h.key), validUTF8(h.value)}
	const tag = 1 // bytes that a tag below 16 takes
	size := tag + protowire.SizeBytes(len(h.key))
	if h.value != "" {
		size += tag + protowire.SizeBytes(len(h.value))
	}
	b = protowire.AppendTag(b, numHeaders, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, h.key)
	return AppendString(b, 2, h.value)
}

// AppendInt appends a varint field, or nothing for 0.
func AppendInt(b []byte, num protowire.Number, n int64) []byte {
	if n == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(n))
}

// DecodeMessage decodes a message of any asynq client. It skips unknown fields, which a newer asynq may write, and returns
// an error if the bytes are no message.
func DecodeMessage(data []byte) (*Message, error) {
	m := &Message{}
	for len(data) > 0 {
		num, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil, errBadMessage
		}
		data = data[n:]
		switch wire {
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(data)
			if n < 0 || m.setBytes(num, v) != nil {
				return nil, errBadMessage
			}
			data = data[n:]
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(data)
			if n < 0 {
				return nil, errBadMessage
			}
			m.setInt(num, int64(v))
			data = data[n:]
		default:
			n := protowire.ConsumeFieldValue(num, wire, data)
			if n < 0 {
				return nil, errBadMessage
			}
			data = data[n:]
		}
	}
	return m, nil
}

func (m *Message) setBytes(num protowire.Number, v []byte) error {
	switch num {
	case numType:
		m.Type = string(v)
	case numPayload:
		m.Payload = slices.Clone(v)
	case numID:
		m.ID = string(v)
	case numQueue:
		m.Queue = string(v)
	case numErrorMsg:
		m.ErrorMsg = string(v)
	case numUniqueKey:
		m.UniqueKey = string(v)
	case numGroupKey:
		m.GroupKey = string(v)
	case numHeaders:
		return m.setHeader(v)
	}
	return nil
}

func (m *Message) setInt(num protowire.Number, v int64) {
	switch num {
	case numRetry:
		m.Retry = int(int32(v))
	case numRetried:
		m.Retried = int(int32(v))
	case numTimeout:
		m.Timeout = v
	case numDeadline:
		m.Deadline = v
	case numLastFailedAt:
		m.LastFailedAt = v
	case numRetention:
		m.Retention = v
	case numCompletedAt:
		m.CompletedAt = v
	}
}

func (m *Message) setHeader(entry []byte) error {
	var key, value string
	for len(entry) > 0 {
		num, wire, n := protowire.ConsumeTag(entry)
		if n < 0 || wire != protowire.BytesType {
			return errBadMessage
		}
		v, k := protowire.ConsumeString(entry[n:])
		if k < 0 {
			return errBadMessage
		}
		if num == 1 {
			key = v
		} else {
			value = v
		}
		entry = entry[n+k:]
	}
	m.Headers.set(key, value)
	return nil
}

// AppendTimestamp appends a field of type google.protobuf.Timestamp.
func AppendTimestamp(b []byte, num protowire.Number, t time.Time) []byte {
	stamp := AppendInt(nil, 1, t.Unix())
	stamp = AppendInt(stamp, 2, int64(t.Nanosecond()))
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, stamp)
}
