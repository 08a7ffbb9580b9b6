package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// Schedule is a schedule of the file. Its task is not checked against the task types, which this package does not know.
type Schedule struct {
	ID     string
	Spec   schedule.Spec
	Paused bool
}

// readSchedules reads the list of schedules. Each is the document that the API takes, with an id. The tasks are read from
// data, the content of the file, so that numbers stay exact.
func (l *loader) readSchedules(found any, data []byte, path string) {
	if found == nil {
		return
	}
	list, ok := found.([]any)
	if !ok {
		l.errorf("schedules", path, "must be a list")
		return
	}
	tasks, err := exactTasks(data)
	if err != nil {
		l.errorf("schedules", path, "cannot be read: %v", err)
		return
	}
	keys := make(map[string]string) // by id
	for i, entry := range list {
		key := fmt.Sprintf("schedules[%d]", i)
		fields, ok := entry.(map[string]any)
		if !ok {
			l.errorf(key, path, "must be a schedule")
			l.schedules = append(l.schedules, Schedule{}) // keeps the indexes of the following ones
			continue
		}
		s, found := readSchedule(fields, tasks[i])
		if first, taken := keys[s.ID]; taken {
			found = append(found, task.ValidationError{Location: "id", Message: "is already used by " + first})
		} else if s.ID != "" {
			keys[s.ID] = key
		}
		for _, e := range found {
			l.errorf(strings.TrimSuffix(key+"."+e.Location, "."), path, "%s", e.Message)
		}
		l.schedules = append(l.schedules, s)
	}
}

func readSchedule(fields map[string]any, exactTask *exact) (s Schedule, found []task.ValidationError) {
	s.ID, _ = fields["id"].(string)
	found = errorsOf(schedule.CheckID(s.ID))
	fields = maps.Clone(fields)
	delete(fields, "id")
	if exactTask != nil {
		fields["task"] = exactTask
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return s, append(found, task.ValidationError{Message: "has a value that is not possible in JSON, such as .inf or a key that is not a string"})
	}
	s.Spec, s.Paused, err = schedule.ReadDefinition(data, nil, time.Now())
	return s, append(found, errorsOf(err)...)
}

func errorsOf(err error) []task.ValidationError {
	if e, ok := errors.AsType[*task.Error](err); ok {
		return e.Faults
	}
	return nil
}
