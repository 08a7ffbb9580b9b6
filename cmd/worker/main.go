// Command worker runs tasks. See --help.
package main

import (
	"os"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/app"
)

func main() {
	os.Exit(app.Main(config.WorkerProgram, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
