// Command api serves the HTTP API and the dashboard. See --help.
package main

import (
	"os"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/app"
)

func main() {
	os.Exit(app.Main(config.APIProgram, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
