package cron_test

import (
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/cron"
)

func TestZone(t *testing.T) {
	for name, want := range map[string]string{
		"": "UTC", "UTC": "UTC", "Europe/Berlin": "Europe/Berlin", "America/Argentina/Buenos_Aires": "America/Argentina/Buenos_Aires",
		"Etc/GMT+5": "Etc/GMT+5", "US/Eastern": "US/Eastern", "EST5EDT": "EST5EDT",
	} {
		loc, err := cron.Zone(name)
		if err != nil || loc.String() != want {
			t.Errorf("Zone(%q) = %v, %v, want %s", name, loc, err, want)
		}
	}
}

func TestZoneSharesItsTable(t *testing.T) {
	first, second := mustZone(t, "Asia/Shanghai"), mustZone(t, "Asia/Shanghai")
	if first != second {
		t.Error("two tables of one zone: a hundred thousand schedules would have one each")
	}
}

func TestZoneRefuses(t *testing.T) {
	const (
		noName  = "is not a time zone; use an IANA name such as Europe/Berlin or UTC"
		unknown = "is not known; use an IANA name, with its capitals, such as Europe/Berlin or UTC"
		hosts   = "means another one on each host; name the one that you mean, such as Europe/Berlin"
	)
	for name, want := range map[string]string{
		"Local":                 hosts,
		"local":                 hosts,
		"localtime":             hosts,
		"posixrules":            hosts,
		"right/Europe/Berlin":   hosts,
		"posix/Europe/Berlin":   hosts,
		"../Europe/Berlin":      noName,
		"Europe/../../passwd":   noName,
		"Europe/./Berlin":       noName,
		"/etc/localtime":        noName,
		"Europe//Berlin":        noName,
		"Europe/":               noName,
		`Europe\Berlin`:         noName,
		"Europe/Berlin\x00":     noName,
		"+08:00":                noName,
		"Europe/Berlín":         noName,
		"tzdata.zi":             noName,
		"Europe":                unknown,
		"Mars/Olympus_Mons":     unknown,
		"PEST":                  unknown,
		strings.Repeat("A", 65): "the name of the time zone is longer than 64 bytes",
	} {
		if loc, err := cron.Zone(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Zone(%q) = %v, %v, want an error with %q", name, loc, err, want)
		}
	}
}
