package cli

import "io"

// ServerOf returns the URL of the API that a command would call.
func ServerOf(environ []string) (string, error) {
	c := &cli{env: parseEnviron(environ), stderr: io.Discard}
	err := c.connect()
	return c.server, err
}
