package wire

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// serverInfo is asynq's ServerInfo: what a server writes of itself with every heartbeat, into a key of its own that expires
// soon after the last one.
type ServerInfo struct {
	Host        string
	PID         int
	ID          string // a UUID, drawn at the start
	Concurrency int
	Queues      map[string]int
	StartedAt   time.Time
}

// runningInfo is asynq's WorkerInfo, without the payload: a task that a server runs.
type runningInfo struct {
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

var errBadServerState = errors.New("not what an asynq server writes of itself")

// name is what the keys of the server end in.
func (s *ServerInfo) Name() string { return s.Host + ":" + strconv.Itoa(s.PID) + ":" + s.ID }

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

// setQueue takes an entry of the map of queues to weights, whose fields are 1 and 2.
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

func DecodeRunningInfo(data []byte) (*runningInfo, error) {
	r := &runningInfo{}
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

// mergeTimestamp reads a google.protobuf.Timestamp: seconds and nanoseconds. Where a message has it twice, the second
// changes of the first what it says.
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

func ServerKey(name string) string { return AsynqServers + ":{" + name + "}" }

// runningKeyOf is the key of what a server runs, by that of the server.
func RunningKeyOf(serverKey string) string {
	return AsynqWorkers + strings.TrimPrefix(serverKey, AsynqServers)
}

// workerIDLength is how much of the server's UUID parts workers with the same host name and pid, as in containers.
const workerIDLength = 8

// workerID names a worker, as the tasks that it runs do.
func WorkerID(s *ServerInfo) string {
	name := s.Name()
	return name[:len(name)-max(0, len(s.ID)-workerIDLength)]
}
