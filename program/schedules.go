package program

import (
	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/beat"
)

func configured(schedules []config.Schedule) []beat.Configured {
	list := make([]beat.Configured, len(schedules))
	for i, s := range schedules {
		list[i] = beat.Configured(s)
	}
	return list
}
