package client

import (
	"context"
	"iter"
	"time"
)

// AuditEntry tells who changed what.
type AuditEntry struct {
	Time time.Time `json:"time"`
	// RequestID is the name under which the API's log knows the call.
	RequestID string `json:"request_id"`
	// Principal is who made it, such as key:ops; "" where nobody has to show who they are.
	Principal string `json:"principal"`
	Action    string `json:"action"` // such as task.cancel
	// Target is what it was done to: an ID, the name of a queue, or the filter of a bulk change.
	Target string `json:"target"`
	// Detail is what came of a bulk change.
	Detail string `json:"detail"`
	Status int    `json:"status"` // of the answer
	// RemoteAddr is where the call came from: the last proxy, if there is one.
	RemoteAddr string `json:"remote_addr"`
}

// Audit lists the newest changes, newest first, page by page as you go. It needs the scope admin. An error ends the list.
func (c *Client) Audit(ctx context.Context) iter.Seq2[*AuditEntry, error] {
	return pages[*AuditEntry](ctx, c, "/v1/audit", nil, defaultPageSize)
}
