package catalog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

func callbackRegistry(t *testing.T) *catalog.Catalog {
	t.Helper()
	r := catalog.New([]string{"default"}, time.Hour)
	if err := r.Add(
		task.Define[task.None, task.None]("job").Type,
		task.Define[task.None, task.None]("inner", task.Internal()).Type,
	); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCallbackIsForAllEndsUnlessItSays(t *testing.T) {
	r := callbackRegistry(t)
	r.AllowCallbacks()
	all := []task.State{task.Succeeded, task.Failed, task.Canceled, task.Expired}
	for _, tt := range []struct{ asked, want []task.State }{
		{nil, all},
		{[]task.State{task.Failed}, []task.State{task.Failed}},
		{[]task.State{task.Expired, task.Succeeded, task.Expired}, []task.State{task.Succeeded, task.Expired}},
	} {
		asked := &task.Callback{URL: "https://example.com/done", Events: tt.asked}
		made, err := r.Prepare(task.Request{Type: "job", Callback: asked}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&task.Callback{URL: "https://example.com/done", Events: tt.want}, made.Callback); diff != "" {
			t.Errorf("asked for %v (-want +got):\n%s", tt.asked, diff)
		}
		if diff := cmp.Diff(tt.asked, asked.Events); diff != "" {
			t.Errorf("the request was changed:\n%s", diff)
		}
	}
	if made, err := r.Prepare(task.Request{Type: "job"}, time.Now()); err != nil || made.Callback != nil {
		t.Errorf("asked for none: %+v, %v", made, err)
	}
}

func TestCallbackFaults(t *testing.T) {
	const noURL = "callback.url: must be an http or https URL with a host"
	for _, tt := range []struct {
		callback task.Callback
		want     []string
	}{
		{task.Callback{URL: "https://ada:pw@[2001:db8::1]:8443/a?b#c"}, nil},
		{task.Callback{URL: ""}, []string{noURL}},
		{task.Callback{URL: "/done"}, []string{noURL}},
		{task.Callback{URL: "ftp://example.com"}, []string{noURL}},
		{task.Callback{URL: "https://:80/"}, []string{noURL}},
		{task.Callback{URL: "https://a\nb/"}, []string{noURL}},
		{task.Callback{URL: "http://a", Events: []task.State{"failed", "running"}}, []string{"callback.events[1]: must be succeeded, failed, canceled or expired"}},
	} {
		r := callbackRegistry(t)
		r.AllowCallbacks()
		if diff := cmp.Diff(tt.want, callbackFaults(t, r, &tt.callback)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.callback, diff)
		}
	}
	faults := callbackFaults(t, callbackRegistry(t), &task.Callback{URL: "https://example.com"})
	if len(faults) != 1 || !strings.HasPrefix(faults[0], "callback: ") || !strings.Contains(faults[0], "BACKBEAT_CALLBACK_SECRETS") {
		t.Errorf("with nothing to sign with: %q", faults)
	}
}

func callbackFaults(t *testing.T, r *catalog.Catalog, c *task.Callback) (faults []string) {
	t.Helper()
	_, err := r.Prepare(task.Request{Type: "job", Callback: c}, time.Now())
	if invalid, ok := errors.AsType[*task.Error](err); ok {
		for _, f := range invalid.Faults {
			faults = append(faults, f.Location+": "+f.Message)
		}
	}
	return faults
}

// To whoever asks, an internal type is one that there is not.
func TestInternalTypesCannotBeAskedFor(t *testing.T) {
	r := callbackRegistry(t)
	_, err := r.Prepare(task.Request{Type: "inner"}, time.Now())
	_, unknown := r.Prepare(task.Request{Type: "other"}, time.Now())
	if err == nil || err.Error() != strings.ReplaceAll(unknown.Error(), "other", "inner") {
		t.Errorf("got %v, and for a type that there is not %v", err, unknown)
	}
	for _, typ := range r.Types() {
		if typ.Internal {
			t.Errorf("%s is listed", typ.Name)
		}
	}
	if typ, ok := r.Lookup("inner"); !ok || !typ.Internal {
		t.Error("the program itself does not find it")
	}
	if _, ok := r.Complete(task.Request{Type: "inner"}, time.Now()); !ok {
		t.Error("the program itself cannot make one")
	}
}
