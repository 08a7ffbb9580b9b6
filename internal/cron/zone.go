package cron

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // containers of only a program have no database
)

var zonePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,32}){0,3}$`)

// zones keeps what was loaded, by name, so that the schedules of a zone share its table. It is bounded by the
// names there are.
var zones sync.Map

// Zone loads an IANA time zone such as "Europe/Berlin"; "" is UTC. The host's database goes before the one in
// the program. Names of files that are no zones, or that mean another zone on another host, such as "Local",
// are refused.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if loc, ok := zones.Load(name); ok {
		return loc.(*time.Location), nil
	}
	if len(name) > 64 {
		return nil, fmt.Errorf("the name of the time zone is longer than 64 bytes; use one such as Europe/Berlin")
	}
	if hostOwn(name) {
		return nil, fmt.Errorf("time zone %q means another one on each host; name the one that you mean, such as Europe/Berlin", name)
	}
	if !zonePattern.MatchString(name) {
		return nil, fmt.Errorf("%q is not a time zone; use an IANA name such as Europe/Berlin or UTC", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q is not known; use an IANA name, with its capitals, such as Europe/Berlin or UTC", name)
	}
	zones.Store(name, loc)
	return loc, nil
}

// hostOwn tells the names that hosts give to zones of their choice, and the second copies of the database that
// some have, of which right/ counts leap seconds and is half a minute off.
func hostOwn(name string) bool {
	switch strings.ToLower(name) {
	case "local", "localtime", "posixrules":
		return true
	}
	return strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/")
}
