package program

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/backbeat-go/backbeat/config"
)

// check finds what the configuration cannot find by itself: it knows no task types, and reads no files that it names.
func (o *options) check(p Program, cfg *config.Config) (faults []config.Fault) {
	ownRedis := p == Standalone && cfg.Redis.URL == ""
	if _, err := cfg.Redis.Options(); err != nil && !ownRedis {
		faults = append(faults, config.Fault{Key: "redis.url", Message: err.Error()})
	}
	if p == API || p == Standalone {
		faults = append(faults, faultsOf(checkAuthenticator(cfg))...)
	}
	if p == Beat || p == Standalone {
		faults = append(faults, o.checkSchedules(cfg)...)
	}
	return faults
}

// checkAuthenticator returns the error that authenticator would return.
func checkAuthenticator(cfg *config.Config) error {
	c, err := authenticator(cfg, slog.New(slog.DiscardHandler))
	c.close()
	return err
}

func faultsOf(err error) []config.Fault {
	if invalid, ok := errors.AsType[*config.Error](err); ok {
		return invalid.Faults
	}
	return nil
}

// checkSchedules holds the tasks of the file's schedules against the task types.
func (o *options) checkSchedules(cfg *config.Config) (faults []config.Fault) {
	if len(cfg.Schedules) == 0 {
		return nil
	}
	types, err := o.types(cfg)
	if err != nil {
		return []config.Fault{{Key: "queues", Message: err.Error()}}
	}
	for i, s := range cfg.Schedules {
		if s.Spec.Task.Type == "" {
			continue // the configuration says so
		}
		for _, f := range s.Spec.CheckTask(types, time.Now()) {
			faults = append(faults, config.Fault{Key: fmt.Sprintf("schedules[%d].%s", i, f.Location), Message: f.Message})
		}
	}
	return faults
}
