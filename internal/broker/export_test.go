package broker

import "time"

// HearOnly keeps the client from looking for what nobody announced, before anybody watches a task: what it does not hear
// of does not reach it.
func (c *Client) HearOnly() { c.watches.every = 24 * time.Hour }

// Watched is how many tasks somebody watches.
func (c *Client) Watched() int {
	c.watches.mu.Lock()
	defer c.watches.mu.Unlock()
	return len(c.watches.byTask)
}
