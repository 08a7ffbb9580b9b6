// Package audit says who changed what.
package audit

import "time"

// Entry is one attempt to change something, whether it was allowed and succeeded or not. It holds no payloads and no
// secrets.
type Entry struct {
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	// Principal is who asked, such as key:ops or jwt:alice; "" where nobody has to show who it is.
	Principal string `json:"principal,omitempty"`
	// Action is what was asked for, such as task.cancel or schedule.put.
	Action string `json:"action"`
	// Target is what it was to be done to: an id, the name of a queue, or the filter of a bulk change.
	Target string `json:"target"`
	// Detail tells what came of it where that takes more than the status: the counts of a bulk change.
	Detail string `json:"detail,omitempty"`
	// Status is the HTTP status of the answer.
	Status int `json:"status"`
	// RemoteAddr is the address that the request came from: that of the last proxy, if there is one.
	RemoteAddr string `json:"remote_addr"`
}
