package cron_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/cron"
)

// TestCases runs the collection in testdata: from after, the instants in expected follow one another. Of NONE and
// ERROR, either way to refuse will do.
func TestCases(t *testing.T) {
	rows := readCases(t)
	if len(rows) != 70 {
		t.Fatalf("read %d cases, want 70", len(rows))
	}
	for _, row := range rows {
		id, expr, zone, after, expected := row[0], row[1], row[2], row[3], row[4]
		t.Run(id, func(t *testing.T) {
			e, err := cron.Parse(expr, cron.EitherDay)
			if err != nil {
				if expected != "ERROR" && expected != "NONE" {
					t.Fatal(err)
				}
				return
			}
			if expected == "ERROR" {
				t.Fatalf("Parse(%q) is no error", expr)
			}
			if expected == "NONE" {
				if got, ok := e.Next(parseTime(t, after), mustZone(t, zone)); ok {
					t.Errorf("Next is %s, want none", got)
				}
				return
			}
			wantTicks(t, e, mustZone(t, zone), after, strings.Split(expected, "|")...)
		})
	}
}

func readCases(t *testing.T) [][]string {
	t.Helper()
	file, err := os.Open("testdata/cases.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// wantTicks checks that the ticks after after are the wanted ones, in the clock of loc.
func wantTicks(t *testing.T, e *cron.Expression, loc *time.Location, after string, want ...string) {
	t.Helper()
	at := parseTime(t, after)
	for _, w := range want {
		next, ok := e.Next(at, loc)
		if !ok {
			t.Fatalf("after %s there is none, want %s", at, w)
		}
		if got, want := next.Format(time.RFC3339Nano), parseTime(t, w).In(loc).Format(time.RFC3339Nano); got != want {
			t.Errorf("after %s comes %s, want %s", at, got, want)
		}
		at = next
	}
}

func mustParse(t testing.TB, expr string, match cron.DayMatch) *cron.Expression {
	t.Helper()
	e, err := cron.Parse(expr, match)
	if err != nil {
		t.Fatalf("Parse(%q): %v", expr, err)
	}
	return e
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := cron.Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func parseTime(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestPeers holds expressions against what other libraries' own suites say of them.
func TestPeers(t *testing.T) {
	file, err := os.Open("testdata/peers.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.Comment = '#'
	rows, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	sources := make(map[string]int)
	for _, row := range rows {
		source, zone, match, expr, after, next := row[0], row[1], row[2], row[3], row[4], row[5]
		sources[source]++
		t.Run(source+" "+expr, func(t *testing.T) {
			wantTicks(t, mustParse(t, expr, cron.DayMatch(match)), mustZone(t, zone), after, next)
		})
	}
	if len(rows) < 300 || len(sources) != 10 {
		t.Errorf("read %d rows of %d sources", len(rows), len(sources))
	}
}
