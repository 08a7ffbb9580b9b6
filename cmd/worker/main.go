// Command worker runs tasks. See --help.
package main

import (
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

func main() { program.Main(program.Worker, tasks.Builtin()) }
