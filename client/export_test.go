package client

// Waiting is how many callers wait for a call that was not made yet.
func Waiting(c *Client) int {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	callers := 0
	for _, a := range c.queue.waiting {
		callers += a.callers
	}
	return callers
}
