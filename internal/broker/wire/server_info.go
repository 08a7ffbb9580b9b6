package wire

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// ServerInfo is asynq's ServerInfo: the state that a server writes with each heartbeat to a key of its own, which expires
// soon after the last heartbeat.
type ServerInfo struct {
	Host        string
	PID         int
	ID          string // a UUID, generated at the start
	Concurrency int
	Queues      map[string]int
	StartedAt   time.Time
}

// RunningInfo is asynq's WorkerInfo, without the payload: a task that a server runs.
type RunningInfo struct {
	TaskID, Type, Queue string
	StartedAt, Deadline time.Time
}

// Field numbers of asynq.ServerInfo, and of asynq.WorkerInfo where the name says so. Both have the id of the server and the
// start under the same numbers.
const (
	NumServerHost        = 1
	NumServerPID         = 2
	NumServerID          = 3
	numServerConcurrency = 4
	numServerQueues      = 5
	NumServerStarted     = 8

	numRunningTaskID   = 4
	numRunningType     = 5
	numRunningQueue    = 7
	NumRunningDeadline = 9
)

var errBadServerState = errors.New("not the state of an asynq server")

// Name is the suffix of the keys of the server: host:pid:id.
func (s *ServerInfo) Name() string { return s.Host + ":" + strconv.Itoa(s.PID) + ":" + s.ID }

// DecodeServerInfo decodes the state of a server. It returns an error if the bytes are no such state.
func DecodeServerInfo(data []byte) (*ServerInfo, error) {
	s := &ServerInfo{Queues: make(map[string]int)}
	err := eachField(data, func(num protowire.Number, n uint64, v []byte) error {
		switch num {
		case NumServerHost:
			s.Host = string(v)
		case NumServerPID:
			s.PID = int(int32(n))
		case NumServerID:
			s.ID = string(v)
		case numServerConcurrency:
			s.Concurrency = int(int32(n))
		case numServerQueues:
			return s.setQueue(v)
		case NumServerStarted:
			return mergeTimestamp(&s.StartedAt, v)
		}
		return nil
	})
	return s, err
}

// setQueue sets the weight of a queue from an encoded map entry, in which field 1 is the name and field 2 the weight.
func (s *ServerInfo) setQueue(entry []byte) error {
	var name string
	var weight int
	err := eachField(entry, func(num protowire.Number, n uint64, v []byte) error {
		if num == 1 {
			name = string(v)
		} else {
			weight = int(int32(n))
		}
		return nil
	})
	s.Queues[name] = weight
	return err
}

// DecodeRunningInfo decodes an entry of the running tasks of a server. It returns an error if the bytes are none.
func DecodeRunningInfo(data []byte) (*RunningInfo, error) {
	r := &RunningInfo{}
	err := eachField(data, func(num protowire.Number, _ uint64, v []byte) error {
		switch num {
		case numRunningTaskID:
			r.TaskID = string(v)
		case numRunningType:
			r.Type = string(v)
		case numRunningQueue:
			r.Queue = string(v)
		case NumServerStarted:
			return mergeTimestamp(&r.StartedAt, v)
		case NumRunningDeadline:
			return mergeTimestamp(&r.Deadline, v)
		}
		return nil
	})
	return r, err
}

// eachField calls f with the fields of an encoded message: n is the value of a varint, v that of bytes.
func eachField(data []byte, f func(num protowire.Number, n uint64, v []byte) error) error {
	for len(data) > 0 {
		num, wire, size := protowire.ConsumeTag(data)
		if size < 0 {
			return errBadServerState
		}
		data = data[size:]
		var n uint64
		var v []byte
		switch wire {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(data)
		default:
			size = protowire.ConsumeFieldValue(num, wire, data)
		}
		if size < 0 {
			return errBadServerState
		}
		if err := f(num, n, v); err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}

// mergeTimestamp reads a google.protobuf.Timestamp: seconds and nanoseconds. If a message has the field twice,
// the second overwrites what it sets, as protobuf prescribes.
func mergeTimestamp(t *time.Time, data []byte) error {
	var seconds, nanos int64
	if !t.IsZero() {
		seconds, nanos = t.Unix(), int64(t.Nanosecond())
	}
	err := eachField(data, func(num protowire.Number, n uint64, _ []byte) error {
		if num == 1 {
			seconds = int64(n)
		} else {
			nanos = int64(n)
		}
		return nil
	})
	*t = time.Unix(seconds, nanos).UTC()
	return err
}

// ServerKey is the key of the state of a server, by its name.
func ServerKey(name string) string { return AsynqServers + ":{" + name + "}" }

// RunningKeyOf is the key of the running tasks of a server, by the key of its state.
func RunningKeyOf(serverKey string) string {
	return AsynqWorkers + strings.TrimPrefix(serverKey, AsynqServers)
}

// workerIDLength is how many characters of the server's UUID are in a worker's id. They distinguish workers with the same
// host name and pid, as in containers.
const workerIDLength = 8

// WorkerID returns the id of a worker, as it is stored in the tasks that the worker runs.
func WorkerID(s *ServerInfo) string {
	name := s.Name()
	return name[:len(name)-max(0, len(s.ID)-workerIDLength)]
}
