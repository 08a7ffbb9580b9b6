// Command api serves the HTTP API and the dashboard. See --help.
package main

import (
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

func main() { program.Main(program.API, tasks.Builtin()) }
