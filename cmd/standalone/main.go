// Command standalone runs the API, a worker and beat in one process, with nothing to install. See --help.
package main

import (
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

func main() { program.Main(program.Standalone, tasks.Builtin()) }
