package client

import (
	"context"
	"iter"
	"time"
)

// AuditEntry is an entry of the audit log: who changed what.
type AuditEntry struct {
	Time time.Time `json:"time"`
	// RequestID identifies the request in the API's log.
	RequestID string `json:"request_id"`
	// Principal is the caller, such as key:ops; "" if the API runs without authentication.
	Principal string `json:"principal"`
	Action    string `json:"action"` // such as task.cancel
	// Target is an ID, the name of a queue, or the filter of a bulk change.
	Target string `json:"target"`
	// Detail is the result of a bulk change.
	Detail string `json:"detail"`
	Status int    `json:"status"` // the HTTP status of the response
	// RemoteAddr is the address of the client, or of the last proxy if there is one.
	RemoteAddr string `json:"remote_addr"`
}

// Audit iterates over the audit log, newest entries first, and fetches it page by page. It requires the scope admin. An
// error ends the iteration.
func (c *Client) Audit(ctx context.Context) iter.Seq2[*AuditEntry, error] {
	return pages[*AuditEntry](ctx, c, "/v1/audit", nil, defaultPageSize)
}
