package client

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// maxWait is how long the API lets a call wait.
const maxWait = time.Minute

// Wait waits until the task is over, however long that takes, and returns it. If ctx ends first, the error is ctx's, and the
// task goes on.
func (c *Client) Wait(ctx context.Context, id string) (*Task, error) {
	for early := 0; ; early++ {
		asked := time.Now()
		t, err := c.poll(ctx, id)
		if err != nil || t.State.Terminal() {
			return t, err
		}
		if time.Since(asked) > maxWait/2 {
			early = -1
			continue
		}
		// The API had reasons not to wait, and would have them again if it were asked again at once.
		if err := sleep(ctx, pauses.Delay(early)); err != nil {
			return nil, fmt.Errorf("wait for task %s: %w", id, err)
		}
	}
}

// poll waits as long as the API lets it.
func (c *Client) poll(ctx context.Context, id string) (*Task, error) {
	r := get(taskPath(id), url.Values{"wait": {Duration(maxWait).String()}})
	r.patient = true
	r.waits = maxWait
	return do[*Task](ctx, c, r)
}
