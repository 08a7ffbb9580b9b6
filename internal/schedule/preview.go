package schedule

import (
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// PreviewRequest asks in JSON when a trigger would fire.
type PreviewRequest struct {
	TriggerDefinition
	After *string `json:"after,omitempty" format:"date-time" doc:"Begin strictly after this time. Default: now."`
	Count *int    `json:"count,omitempty" minimum:"1" maximum:"1000" doc:"How many times at most. Default: 10."`
}

const defaultPreviewCount = 10

var previews = newForm[PreviewRequest]()

// ReadPreview reads a PreviewRequest from JSON and returns what Preview returns for it. The error has CodeInvalid and
// names each fault, by its place in the request.
func ReadPreview(data []byte, now time.Time) ([]time.Time, error) {
	req, faults := previews.read(data)
	spec, after, count := NewSpec(), now, defaultPreviewCount
	faults = addFaults(faults, req.set(&spec))
	faults = addFaults(faults, setTime(&after, req.After, "after", lastStartYear))
	if faults = addFaults(faults, append(spec.checkTrigger(), spec.checkRules()...)); len(faults) > 0 {
		return nil, task.Invalid(faults...)
	}
	setIf(&count, req.Count)
	// In every time zone there is, the last ticks are in years of four digits.
	if last := time.Date(lastEndYear, time.December, 30, 0, 0, 0, 0, time.UTC); spec.EndAt.IsZero() || spec.EndAt.After(last) {
		spec.EndAt = last
	}
	return Preview(spec, after, count)
}
