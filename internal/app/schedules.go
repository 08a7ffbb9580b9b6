package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/beat"
	"github.com/backbeat-go/backbeat/internal/task"
)

// checkSchedules holds the tasks of the file's schedules against the task types, which the configuration does not know. It
// returns a *config.Error with every fault.
func checkSchedules(cfg *config.Config) error {
	if len(cfg.Schedules) == 0 {
		return nil
	}
	types, err := registry(cfg)
	if err != nil {
		return err
	}
	var faults []config.Fault
	for i, s := range cfg.Schedules {
		invalid, ok := errors.AsType[*task.Error](s.Spec.Check(types, time.Now()))
		if !ok {
			continue
		}
		for _, f := range invalid.Faults {
			faults = append(faults, config.Fault{Key: fmt.Sprintf("schedules[%d].%s", i, f.Location), Message: f.Message})
		}
	}
	if len(faults) > 0 {
		return &config.Error{Faults: faults}
	}
	return nil
}

func configured(schedules []config.Schedule) []beat.Configured {
	list := make([]beat.Configured, len(schedules))
	for i, s := range schedules {
		list[i] = beat.Configured(s)
	}
	return list
}
