package client

import "time"

// SetTimeouts bounds calls and the silence of event streams as tests need it.
func (c *Client) SetTimeouts(call, silence time.Duration) { c.timeout, c.silence = call, silence }
