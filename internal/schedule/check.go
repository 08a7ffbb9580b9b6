package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/cron"
	"github.com/backbeat-go/backbeat/task"
)

// Bounds of a Spec.
const (
	MinEvery            = time.Second
	MaxEvery            = 366 * 24 * time.Hour
	MaxMisfireGraceTime = 7 * 24 * time.Hour
	MaxJitter           = 24 * time.Hour
	MaxInstancesLimit   = 1000
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// CheckID returns an error with CodeInvalid for an invalid ID. An ID that consists of dots would be a relative path in a
// URL.
func CheckID(id string) error {
	if !idPattern.MatchString(id) || strings.Trim(id, ".") == "" {
		return task.Invalid(task.ValidationError{Location: "id", Message: "must be 1 to 100 letters, digits, and . _ -, and more than dots"})
	}
	return nil
}

// Check returns an error with CodeInvalid that lists all invalid fields of the spec, or nil.
func (s *Spec) Check(types *catalog.Catalog, now time.Time) error {
	faults := append(s.checkTrigger(), s.checkRules()...)
	faults = append(faults, s.CheckTask(types, now)...)
	if len(faults) > 0 {
		return invalid(faults)
	}
	return nil
}

func invalid(faults []task.ValidationError) error { return task.Invalid(faults...) }

func (s *Spec) checkTrigger() (faults []task.ValidationError) {
	given := 0
	for _, is := range []bool{s.Cron != "", s.Every != 0, !s.At.IsZero()} {
		if is {
			given++
		}
	}
	switch given {
	case 0:
		faults = append(faults, task.ValidationError{Message: "needs a trigger: cron, every or at"})
	case 1:
	default:
		faults = append(faults, task.ValidationError{Message: "takes one trigger only: cron, every or at"})
	}
	if d := time.Duration(s.Every); d != 0 && (d < MinEvery || d > MaxEvery || d%time.Millisecond != 0) {
		faults = append(faults, task.ValidationError{Location: "every", Message: "must be 1s to 8784h, in whole milliseconds"})
	}
	return append(faults, s.checkCron()...)
}

func (s *Spec) checkCron() (faults []task.ValidationError) {
	if m := s.dayMatch(); m != cron.EitherDay && m != cron.BothDays {
		return []task.ValidationError{{Location: "day_match", Message: fmt.Sprintf("must be %q or %q", cron.EitherDay, cron.BothDays)}}
	}
	loc, err := cron.Zone(s.Timezone)
	if err != nil {
		faults = append(faults, task.ValidationError{Location: "timezone", Message: err.Error()})
		loc = time.UTC
	}
	if s.Cron == "" {
		return faults
	}
	expr, err := cron.Parse(s.Cron, s.dayMatch())
	if err != nil {
		return append(faults, task.ValidationError{Location: "cron", Message: err.Error()})
	}
	from := s.StartAt
	if from.IsZero() {
		from = time.Now()
	}
	if _, ok := expr.Next(from, loc); !ok {
		faults = append(faults, task.ValidationError{Location: "cron", Message: "never fires: nothing matches within 40 years"})
	}
	return faults
}

func (s *Spec) checkRules() (faults []task.ValidationError) {
	fault := func(location, message string) {
		faults = append(faults, task.ValidationError{Location: location, Message: message})
	}
	if d := time.Duration(s.MisfireGraceTime); d < time.Second || d > MaxMisfireGraceTime {
		fault("misfire_grace_time", "must be 1s to 168h")
	}
	if s.MaxInstances < 0 || s.MaxInstances > MaxInstancesLimit {
		fault("max_instances", fmt.Sprintf("must be 0 (no limit) to %d", MaxInstancesLimit))
	}
	if d := time.Duration(s.Jitter); d < 0 || d > MaxJitter {
		fault("jitter", "must be 0s to 24h")
	}
	if s.MaxRuns < 0 {
		fault("max_runs", "must be at least 1")
	}
	if s.PauseAfterFailures < 0 {
		fault("pause_after_failures", "must be at least 1")
	}
	if !s.StartAt.IsZero() && s.EndAt.Before(s.StartAt) && !s.EndAt.IsZero() {
		fault("end_at", "is before start_at")
	}
	if y := s.StartAt.Year(); !s.StartAt.IsZero() && (y < 1970 || y > 9999) {
		fault("start_at", "must be in the years 1970 to 9999")
	}
	if y := s.At.Year(); !s.At.IsZero() && (y < 1970 || y > 9999) {
		fault("at", "must be in the years 1970 to 9999")
	}
	return faults
}

// CheckPast returns an error with CodeInvalid for an At that has passed by more than the grace time, because it would never
// run. An At that old already has is valid; old may be nil.
func (s *Spec) CheckPast(old *Schedule, now time.Time) error {
	if s.At.IsZero() || old != nil && old.At.Equal(s.At) || now.Sub(s.At) <= time.Duration(s.MisfireGraceTime) {
		return nil
	}
	return invalid([]task.ValidationError{{Location: "at", Message: "has passed by more than misfire_grace_time, so that it would never run"}})
}

// CheckTask returns the invalid fields of the task, as if it were to run now.
func (s *Spec) CheckTask(types *catalog.Catalog, now time.Time) (faults []task.ValidationError) {
	_, err := types.Prepare(s.Task.request("", nil), now)
	if e, ok := errors.AsType[*task.Error](err); ok {
		for _, f := range e.Faults {
			faults = append(faults, task.ValidationError{Location: "task." + f.Location, Message: f.Message})
		}
	}
	return faults
}
