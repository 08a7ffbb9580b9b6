package main

import (
	"time"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// slowLink puts a millisecond of round trip in front of an address.
func slowLink(addr string) (*redistest.Link, error) {
	link, err := redistest.NewLink(addr)
	if err != nil {
		return nil, err
	}
	link.Delay(0, time.Millisecond)
	return link, nil
}
