// Command standalone is the API, a worker and beat in one process, with nothing to install. See --help.
package main

import (
	"os"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/app"
)

func main() {
	os.Exit(app.Main(config.Standalone, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
