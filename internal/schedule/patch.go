package schedule

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// ReadPatch reads a JSON merge patch (RFC 7396) of the schedule's definition and returns what ReadDefinition returns for
// the patched one. A trigger in the patch takes the place of the one that was there.
func (s *Schedule) ReadPatch(patch []byte, types *catalog.Catalog, now time.Time) (spec Spec, paused bool, err error) {
	change, ok := decodeExactly(patch).(map[string]any)
	if !ok {
		return Spec{}, false, task.Invalid(task.ValidationError{Message: "must be an object: the fields to change"})
	}
	whole, err := s.definition()
	if err != nil {
		return Spec{}, false, err
	}
	for name, value := range change {
		if isTrigger(name) && value != nil {
			delete(whole, "cron")
			delete(whole, "every")
			delete(whole, "at")
		}
	}
	mergePatch(whole, change)
	keepNulls(whole, change)
	if taskChange, ok := change["task"].(map[string]any); ok {
		keepNulls(whole["task"].(map[string]any), taskChange)
	}
	patched, err := json.Marshal(whole)
	if err != nil {
		return Spec{}, false, err
	}
	return ReadDefinition(patched, types, now)
}

// definition returns the schedule as it could have been written down. A Spec has the names of a Definition.
func (s *Schedule) definition() (map[string]any, error) {
	spec := s.Spec
	if spec.Task.Type == "" {
		spec = NewSpec() // what is stored cannot be read
	}
	data, err := json.Marshal(struct {
		Spec
		Paused bool `json:"paused"`
	}{spec, s.Paused})
	if err != nil {
		return nil, err
	}
	return decodeExactly(data).(map[string]any), nil
}

// decodeExactly decodes JSON without rounding its numbers; nil if it is none.
func decodeExactly(data []byte) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return nil
	}
	return value
}

// mergePatch is the algorithm of RFC 7396. It changes the target.
func mergePatch(target, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged, ok := target.(map[string]any)
	if !ok {
		merged = make(map[string]any)
	}
	for name, value := range change {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = mergePatch(merged[name], value)
		}
	}
	return merged
}

// keepNulls puts back the nulls of a patch. In a definition they say the same as an absent field, but for one that it does
// not know, which is a fault.
func keepNulls(merged, change map[string]any) {
	for name, value := range change {
		if value == nil {
			merged[name] = nil
		}
	}
}
