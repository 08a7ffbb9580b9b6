// Command backbeat is a client of the HTTP API for people. See --help.
package main

import (
	"os"

	"github.com/backbeat-go/backbeat/internal/cli"
)

// version is set by the linker in releases.
var version string

func main() {
	os.Exit(cli.Main(version, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
