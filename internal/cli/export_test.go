package cli

import "io"

// ServerOf is the API that a command would call, which is not called.
func ServerOf(environ []string) (string, error) {
	c := &cli{env: parseEnviron(environ), stderr: io.Discard}
	err := c.connect()
	return c.server, err
}
