package httpapi_test

import "testing"

func TestShortWaitsAndBareNumbers(t *testing.T) {
	base, _ := serveBroker(t)
	want(t, 202, "POST", base+"/v1/tasks", `{"type":"echo","id":"a","delay":"1h"}`)
	for _, wait := range []string{"0", "0s", "1ns", "1us", "100us", "1ms", "2ms", "5ms"} {
		for range 20 {
			wantState(t, want(t, 200, "GET", base+"/v1/tasks/a?wait="+wait, ""), "scheduled")
		}
		want(t, 404, "GET", base+"/v1/tasks/nope?wait="+wait, "")
	}
	want(t, 200, "POST", base+"/v1/tasks/a/cancel", "")
	for wait, status := range map[string]int{
		"30": 200, "60": 200, "61": 422, "-1": 422, "1.5": 422, "99999999999999999999": 422, "1m": 200, "30s": 200, "+1": 422,
	} {
		if got := ask(t, "GET", base+"/v1/tasks/a?wait="+wait, ""); got.status != status {
			t.Errorf("wait=%s: %d, want %d", wait, got.status, status)
		}
	}
}

func TestPreferDurations(t *testing.T) {
	store := &stub{}
	base := serve(t, store)
	for prefer, applied := range map[string]string{
		"wait=10": "wait=10", "wait=10s": "wait=10", `wait="1m"`: "wait=60", "wait=2h": "wait=60", "wait=1500ms": "wait=1.5s",
		"wait=soon": "", "wait=-1s": "", "wait=0s": "", "wait=999999999999": "wait=60",
	} {
		got := ask(t, "POST", base+"/v1/tasks", `{"type":"echo"}`, "Prefer", prefer)
		if is := got.header.Get("Preference-Applied"); is != applied || got.status != 202 {
			t.Errorf("Prefer: %s: %d, Preference-Applied %q, want %q", prefer, got.status, is, applied)
		}
	}
}
