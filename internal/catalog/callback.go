package catalog

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/backbeat-go/backbeat/task"
)

// completeCallback returns the callback with the events that it stands for, in the order of States.
func completeCallback(c *task.Callback) *task.Callback {
	if c == nil {
		return nil
	}
	made := &task.Callback{URL: c.URL}
	for _, s := range task.States {
		if s.Terminal() && (len(c.Events) == 0 || slices.Contains(c.Events, s)) {
			made.Events = append(made.Events, s)
		}
	}
	return made
}

func (c *Catalog) checkCallback(cb *task.Callback) (faults []task.ValidationError) {
	if cb == nil {
		return nil
	}
	if !c.callbacks {
		faults = append(faults, task.ValidationError{Location: "callback", Message: "there is nothing to sign callbacks with: set callback.secrets (BACKBEAT_CALLBACK_SECRETS)"})
	}
	if u, err := url.Parse(cb.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		faults = append(faults, task.ValidationError{Location: "callback.url", Message: "must be an http or https URL with a host"})
	}
	for i, s := range cb.Events {
		if !s.Terminal() {
			faults = append(faults, task.ValidationError{Location: fmt.Sprintf("callback.events[%d]", i), Message: "must be succeeded, failed, canceled or expired"})
		}
	}
	return faults
}
