// Package audit defines the entries of the audit log: who changed what.
package audit

import "time"

// Entry is one attempt to change something, allowed or not, successful or not. It contains no payloads and no secrets.
type Entry struct {
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	// Principal is the caller, such as key:ops or jwt:alice; "" if the API runs without authentication.
	Principal string `json:"principal,omitempty"`
	// Action is the requested action, such as task.cancel or schedule.put.
	Action string `json:"action"`
	// Target is an id, the name of a queue, or the filter of a bulk change.
	Target string `json:"target"`
	// Detail is the result, if there is more to it than the status: the counts of a bulk change.
	Detail string `json:"detail,omitempty"`
	// Status is the HTTP status of the response.
	Status int `json:"status"`
	// RemoteAddr is the address of the client, or of the last proxy if there is one.
	RemoteAddr string `json:"remote_addr"`
}
