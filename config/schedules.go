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

// Schedule is a schedule of the file. Its task is checked against the task types by who knows them.
type Schedule struct {
	ID     string
	Spec   schedule.Spec
	Paused bool
}

// readSchedules reads the list of schedules, which are written as for the API, each with its id.
// Their tasks are read from the data of the file, in which numbers are exact.
func (l *loader) readSchedules(found any, data []byte, path string) {
	if found == nil {
		return
	}
	list, ok := found.([]any)
	if !ok {
		l.fault("schedules", path, "must be a list")
		return
	}
	tasks, err := exactTasks(data)
	if err != nil {
		l.fault("schedules", path, "cannot be read: %v", err)
		return
	}
	places := make(map[string]string)
	for i, entry := range list {
		place := fmt.Sprintf("schedules[%d]", i)
		fields, ok := entry.(map[string]any)
		if !ok {
			l.fault(place, path, "must be a schedule")
			l.schedules = append(l.schedules, Schedule{}) // those that follow keep their places
			continue
		}
		s, faults := readSchedule(fields, tasks[i])
		if first, taken := places[s.ID]; taken {
			faults = append(faults, task.ValidationError{Location: "id", Message: "is taken by " + first})
		} else if s.ID != "" {
			places[s.ID] = place
		}
		for _, f := range faults {
			l.fault(strings.TrimSuffix(place+"."+f.Location, "."), path, "%s", f.Message)
		}
		l.schedules = append(l.schedules, s)
	}
}

func readSchedule(fields map[string]any, exactTask *exact) (s Schedule, faults []task.ValidationError) {
	s.ID, _ = fields["id"].(string)
	faults = faultsOf(schedule.CheckID(s.ID))
	fields = maps.Clone(fields)
	delete(fields, "id")
	if exactTask != nil {
		fields["task"] = exactTask
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return s, append(faults, task.ValidationError{Message: "has a value that JSON does not know, such as .inf or a key that is no text"})
	}
	s.Spec, s.Paused, err = schedule.ReadDefinition(data, nil, time.Now())
	return s, append(faults, faultsOf(err)...)
}

func faultsOf(err error) []task.ValidationError {
	if e, ok := errors.AsType[*task.Error](err); ok {
		return e.Faults
	}
	return nil
}
