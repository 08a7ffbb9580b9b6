package program

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/backbeat-go/backbeat/config"
)

// check finds what the configuration cannot find by itself: it knows no task types, and reads no files that it names.
func (o *options) check(p Program, cfg *config.Config) (found []config.ValidationError) {
	ownRedis := p == Standalone && cfg.Redis.URL == ""
	if _, err := cfg.Redis.Options(); err != nil && !ownRedis {
		found = append(found, config.ValidationError{Key: "redis.url", Message: err.Error()})
	}
	if p == API || p == Standalone {
		found = append(found, errorsOf(checkAuthenticator(cfg))...)
	}
	if p == Beat || p == Standalone {
		found = append(found, o.checkSchedules(cfg)...)
	}
	return found
}

// checkAuthenticator returns the error that authenticator would return.
func checkAuthenticator(cfg *config.Config) error {
	c, err := authenticator(cfg, slog.New(slog.DiscardHandler))
	c.close()
	return err
}

func errorsOf(err error) []config.ValidationError {
	if invalid, ok := errors.AsType[*config.Error](err); ok {
		return invalid.Errors
	}
	return nil
}

// checkSchedules holds the tasks of the file's schedules against the task types.
func (o *options) checkSchedules(cfg *config.Config) (found []config.ValidationError) {
	if len(cfg.Schedules) == 0 {
		return nil
	}
	types, err := o.types(cfg)
	if err != nil {
		return []config.ValidationError{{Key: "queues", Message: err.Error()}}
	}
	for i, s := range cfg.Schedules {
		if s.Spec.Task.Type == "" {
			continue // the configuration says so
		}
		for _, f := range s.Spec.CheckTask(types, time.Now()) {
			found = append(found, config.ValidationError{Key: fmt.Sprintf("schedules[%d].%s", i, f.Location), Message: f.Message})
		}
	}
	return found
}
