package script

import (
	"strings"
	"testing"
)

func TestScriptsGetWhatTheyUseOfThePrelude(t *testing.T) {
	got := withPreludeOf(`return notify("id")`)
	for part, want := range map[string]bool{
		"local function notify(": true, "local function publish(": true, "local ENDS_KEPT": true, "local asynq, backbeat": true,
		"local function archive(": false, "local TIME": false, "-- ": false,
	} {
		if strings.Contains(got, part) != want {
			t.Errorf("%q is there: %v", part, !want)
		}
	}
	if strings.Index(got, "local ENDS_KEPT") > strings.Index(got, "local function notify(") {
		t.Error("the paragraphs are out of order")
	}
}
