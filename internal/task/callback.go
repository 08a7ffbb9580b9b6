package task

import (
	"fmt"
	"net/url"
	"slices"
)

// Callback is whom to tell how a task has ended. Its JSON is what the API takes and shows, and what a schedule keeps.
type Callback struct {
	URL string `json:"url" format:"uri" maxLength:"8192" doc:"Where a signed POST goes, http or https." example:"https://example.com/task-done"`
	// Events are the terminal states to tell of. In a request none means all; a prepared task names each once.
	Events []State `json:"events,omitempty" minItems:"1" enum:"succeeded,failed,canceled,expired" doc:"The ends to tell of. Default: all of them."`
}

// complete returns the callback with the events that it stands for, in the order of States.
func (c *Callback) complete() *Callback {
	if c == nil {
		return nil
	}
	made := &Callback{URL: c.URL}
	for _, s := range States {
		if s.Terminal() && (len(c.Events) == 0 || slices.Contains(c.Events, s)) {
			made.Events = append(made.Events, s)
		}
	}
	return made
}

func (r *Registry) checkCallback(c *Callback) (faults []Fault) {
	if c == nil {
		return nil
	}
	if !r.callbacks {
		faults = append(faults, Fault{"callback", "there is nothing to sign callbacks with: set callback.secrets (BACKBEAT_CALLBACK_SECRETS)"})
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		faults = append(faults, Fault{"callback.url", "must be an http or https URL with a host"})
	}
	for i, s := range c.Events {
		if !s.Terminal() {
			faults = append(faults, Fault{fmt.Sprintf("callback.events[%d]", i), "must be succeeded, failed, canceled or expired"})
		}
	}
	return faults
}
