package beat

import (
	"log/slog"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// tickLog tells operators of ticks that did not run. Many schedules may have one at the same time, so it tells of all
// of them in a line, and names one.
type tickLog struct {
	logger          *slog.Logger
	missed, skipped tally
}

// tally counts ticks of several schedules.
type tally struct {
	ticks, schedules int
	example          string
}

func (t *tally) add(id string, ticks int) {
	if ticks > 0 {
		*t = tally{t.ticks + ticks, t.schedules + 1, id}
	}
}

func (g *tickLog) note(step *schedule.Step) {
	missed, skipped := 0, 0
	for _, run := range step.Runs {
		switch run.Outcome {
		case schedule.Missed:
			missed++
		case schedule.Skipped:
			skipped++
		}
	}
	g.missed.add(step.ID, missed)
	g.skipped.add(step.ID, skipped)
	if step.PausedReason == schedule.PausedByFailures {
		g.logger.Warn("schedule paused: its tasks have failed too often in a row", "schedule", step.ID, "failures", step.FailureStreak)
	}
}

func (g *tickLog) flush() {
	g.warn("ticks missed: they were found too late, or newer ones ran in their place", g.missed)
	g.warn("ticks skipped: too many earlier tasks are unfinished", g.skipped)
	g.missed, g.skipped = tally{}, tally{}
}

func (g *tickLog) warn(message string, t tally) {
	if t.ticks > 0 {
		g.logger.Warn(message, "ticks", t.ticks, "schedules", t.schedules, "example", t.example)
	}
}
