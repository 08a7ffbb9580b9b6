package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/task"
)

func TestBatchAnswersForEachTask(t *testing.T) {
	url, _ := serveBroker(t)
	want(t, http.StatusAccepted, "POST", url+"/v1/tasks", `{"type": "echo", "id": "taken"}`)
	answer := want(t, http.StatusOK, "POST", url+"/v1/tasks/batch", `{"tasks": [
		{"type": "echo", "id": "a", "payload": {"n": 1}},
		{"type": "call", "payload": {"url": 17}, "colour": "red"},
		{"type": "echo", "id": "taken"},
		17,
		{"type": "echo", "queue": "low"},
		{"type": "echo", "id": "a"}
	]}`)
	results, _ := answer["results"].([]any)
	var got []string
	for _, r := range results {
		result, _ := r.(map[string]any)
		line := fmt.Sprint(result["status"])
		if made, ok := result["task"].(map[string]any); ok {
			line += fmt.Sprint(" ", made["queue"], " ", made["state"])
		}
		problem, _ := result["error"].(map[string]any)
		faults, _ := problem["errors"].([]any)
		for _, f := range faults {
			fault, _ := f.(map[string]any)
			line += fmt.Sprint(" ", fault["location"])
		}
		got = append(got, line)
	}
	wanted := []string{
		"202 default pending", "422 body.tasks[1].colour body.tasks[1].payload.url", "409", "422 body.tasks[3]", "202 low pending", "409",
	}
	if strings.Join(got, "; ") != strings.Join(wanted, "; ") {
		t.Errorf("got\n%q, want\n%q", got, wanted)
	}
	want(t, http.StatusOK, "GET", url+"/v1/tasks/a", "")
}

func TestBadBatches(t *testing.T) {
	url := serve(t, &stub{})
	many := strings.TrimSuffix(strings.Repeat("{},", 1001), ",")
	for body, want := range map[string]string{
		``:                              "400 none", // huma says what is missing
		`{`:                             "400 body",
		`{"tasks": [{"type"]}`:          "400 body",
		`{"tasks": []} {}`:              "400 body",
		`{}`:                            "422 body.tasks",
		`{"tasks": []}`:                 "422 body.tasks",
		`{"tasks": null}`:               "422 body.tasks",
		`{"tasks": [` + many + `]}`:     "422 body.tasks",
		`{"tasks": {}}`:                 "422 body.tasks",
		`[]`:                            "422 body",
		`{"tasks": [{}], "colour": 17}`: "422 body",
	} {
		p := ask(t, "POST", url+"/v1/tasks/batch", body).problem(t)
		place := "none"
		if len(p.Errors) > 0 {
			place = p.Errors[0].Location
		}
		if got := fmt.Sprint(p.Status, " ", place); got != want {
			t.Errorf("%.40s: %s, want %s", body, got, want)
		}
	}
}

// What Redis did not take is to be sent again; the answer says which.
func TestBatchWithoutRedis(t *testing.T) {
	url := serve(t, &stub{err: task.Unavailable(errors.New("gone"))})
	answer := want(t, http.StatusOK, "POST", url+"/v1/tasks/batch", `{"tasks": [{"type": "echo"}, {"type": "no"}]}`)
	results, _ := answer["results"].([]any)
	var got []any
	for _, r := range results {
		result, _ := r.(map[string]any)
		got = append(got, result["status"])
	}
	if fmt.Sprint(got) != "[503 422]" {
		t.Errorf("statuses %v", got)
	}
}
