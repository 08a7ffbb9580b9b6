package client

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// maxWait is the longest time that the API lets a call wait.
const maxWait = time.Minute

// Wait waits without a limit until the task has finished, and returns it. If ctx ends first, it returns the error of ctx,
// and the task continues.
func (c *Client) Wait(ctx context.Context, id string) (*Task, error) {
	for early := 0; ; early++ {
		start := time.Now()
		t, err := c.poll(ctx, id)
		if err != nil || t.State.Terminal() {
			return t, err
		}
		if time.Since(start) > maxWait/2 {
			early = -1
			continue
		}
		// The API responded early, for example because it is shutting down, and would do so again at once.
		if err := sleep(ctx, pauses.Delay(early)); err != nil {
			return nil, fmt.Errorf("wait for task %s: %w", id, err)
		}
	}
}

// poll makes one call that waits as long as the API allows.
func (c *Client) poll(ctx context.Context, id string) (*Task, error) {
	r := get(taskPath(id), url.Values{"wait": {Duration(maxWait).String()}})
	r.patient = true
	r.waits = maxWait
	return do[*Task](ctx, c, r)
}
