package main

import (
	"testing"

	"example.com/shop/jobs"
	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
)

func TestWelcome(t *testing.T) {
	mail := newMailer("smtp://localhost")
	out := backbeattest.Run(t, jobs.Welcome, mail.welcome, jobs.WelcomeIn{UserID: 7})
	if out.State != client.Succeeded {
		t.Errorf("got %+v", out)
	}
}
