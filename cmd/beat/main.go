// Command beat fires schedules. See --help.
package main

import (
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

func main() { program.Main(program.Beat, tasks.Builtin()) }
