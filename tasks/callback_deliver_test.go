package tasks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

var (
	newSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("the secret that is new, 32 bytes"))
	oldSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("the secret of old, 24 b."))
)

// signing are options with which callbacks go out, to this machine too.
func signing(secrets ...string) tasks.Options {
	opts := loopback
	opts.CallbackSecrets = secrets
	return opts
}

// deliver runs callback.deliver once for the URL.
func deliver(t *testing.T, set tasks.Set, url string) (tasks.CallbackDeliverOut, error) {
	t.Helper()
	return run[tasks.CallbackDeliverOut](start(t.Context()), t, set, "callback.deliver", callbackPayload(t, url))
}

func callbackPayload(t *testing.T, url string) string {
	t.Helper()
	ended := &task.Task{
		ID: "order-17", State: task.Failed, FinishedAt: time.Date(2026, 11, 21, 10, 0, 0, 5_000_000, time.UTC),
		Callback: &task.Callback{URL: url},
	}
	req, err := tasks.NewCallback(ended, false, func(t *task.Task) ([]byte, error) {
		return json.Marshal(map[string]any{"id": t.ID, "note": "a<b & ü"})
	})
	if err != nil || req.Type != "callback.deliver" {
		t.Fatalf("%+v, %v", req, err)
	}
	return string(req.Payload)
}

var errNoMatch = errors.New("no signature matches")

// verifies checks a signature as the specification of Standard Webhooks describes it. A reference library does so in
// test/apptest.
func verifies(t *testing.T, secret string, got received) error {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(got.Header.Get("webhook-id") + "." + got.Header.Get("webhook-timestamp") + "." + got.Body))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Fields(got.Header.Get("webhook-signature")), want) {
		return errNoMatch
	}
	return nil
}

func TestCallbackIsSignedAsStandardWebhooksSays(t *testing.T) {
	var got received
	s := serve(t, record(&got))
	before := time.Now().Truncate(time.Second)
	out, err := deliver(t, newSet(t, signing(newSecret)), s.URL+"/done?token=a")
	if err != nil || out.Status != 200 || out.DurationMS < 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if err := verifies(t, newSecret, got); err != nil {
		t.Error(err)
	}
	if err := verifies(t, oldSecret, got); !errors.Is(err, errNoMatch) {
		t.Errorf("by another secret: %v", err)
	}
	want := received{"POST", "/done?token=a", strings.TrimPrefix(s.URL, "http://"), got.Body, got.Header}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sent, err := strconv.ParseInt(got.Header.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Unix(sent, 0).Before(before) || got.Header.Get("webhook-id") != "order-17" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", got.Header)
	}
	var event, wantEvent any
	if err := json.Unmarshal([]byte(got.Body), &event); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal([]byte(`{"type": "task.failed", "timestamp": "2026-11-21T10:00:00.005Z", "data": {"id": "order-17", "note": "a<b & ü"}}`), &wantEvent)
	if diff := cmp.Diff(wantEvent, event); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// While secrets are changed, receivers may have either.
func TestTwoSecretsMakeTwoSignatures(t *testing.T) {
	var got received
	s := serve(t, record(&got))
	if _, err := deliver(t, newSet(t, signing(newSecret, oldSecret)), s.URL); err != nil {
		t.Fatal(err)
	}
	both := got.Header.Get("webhook-signature")
	parts := strings.Split(both, " ")
	if len(parts) != 2 {
		t.Fatalf("%q", both)
	}
	for i, secret := range []string{newSecret, oldSecret} {
		if err := verifies(t, secret, got); err != nil {
			t.Errorf("by both signatures: %v", err)
		}
		alone := got
		alone.Header = got.Header.Clone()
		alone.Header.Set("webhook-signature", parts[i])
		if err := verifies(t, secret, alone); err != nil {
			t.Errorf("signature %d is not that of secret %[1]d: %v", i, err)
		}
	}
}

func TestNothingGoesOutUnsigned(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") })
	_, err := deliver(t, newSet(t, loopback), s.URL)
	checkFailure(t, err, task.KindError, "BACKBEAT_CALLBACK_SECRETS") // and may go out once there is a secret
}

func TestSecretsThatCannotBeRead(t *testing.T) {
	for _, secret := range []string{"", "hunter2hunter2hunter2hunter2hunt", "whsec_hunter2!"} {
		_, err := tasks.New(tasks.Options{CallbackSecrets: []string{newSecret, secret}})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestStatusOfACallbackDecides(t *testing.T) {
	for status, want := range map[int]task.ErrorKind{ // none: it succeeds
		200: "", 201: "", 204: "", 299: "",
		410: task.KindPermanent,
		300: task.KindError, 304: task.KindError, 400: task.KindError, 401: task.KindError, 404: task.KindError, 409: task.KindError,
		429: task.KindError, 500: task.KindError, 502: task.KindError, 503: task.KindError,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		out, err := deliver(t, newSet(t, signing(newSecret)), s.URL)
		switch {
		case want != "":
			checkFailure(t, err, want, "answered "+strconv.Itoa(status))
		case err != nil || out.Status != status:
			t.Errorf("%d: %+v, %v", status, out, err)
		}
	}
}

func TestCallbackWaitsAsLongAsItIsTold(t *testing.T) {
	for _, status := range []int{301, 404, 429, 503} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(status)
		})
		_, err := deliver(t, newSet(t, signing(newSecret)), s.URL)
		if d, ok := task.DelayOf(err); !ok || d != 90*time.Second {
			t.Errorf("%d: waits %s, %v", status, d, err)
		}
	}
}

// The next tries come soon, and the last one about a day later.
func TestCallbackIsTriedForADay(t *testing.T) {
	typ := tasks.CallbackDeliver
	var longest time.Duration
	for n := range typ.MaxRetries {
		// Full jitter: the longest wait is twice the mean.
		longest += min(typ.Backoff.Base<<min(n, 30), typ.Backoff.Cap)
	}
	if mean := longest / 2; mean < 20*time.Hour || mean > 36*time.Hour {
		t.Errorf("it is given up after %s", mean)
	}
}

func TestCallbackFollowsNoRedirect(t *testing.T) {
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		_, err := deliver(t, newSet(t, signing(newSecret)), s.URL)
		checkFailure(t, err, task.KindError, "answered "+strconv.Itoa(status))
	}
}

func TestCallbackReachesPublicAddressesOnly(t *testing.T) {
	resolveWith(t, map[string][][]string{"inside.test.": {{"127.0.0.1"}}, "both.test.": {{"127.0.0.1", "10.0.0.1"}}})
	port, untouched := watched(t)
	closed := tasks.Options{CallbackSecrets: []string{newSecret}}
	for _, host := range []string{
		"127.0.0.1", "0.0.0.0", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[fd00::1]",
		"localhost", "inside.test", "both.test",
	} {
		_, err := deliver(t, newSet(t, closed), "http://"+host+":"+port+"/")
		checkFailure(t, err, task.KindPermanent, "http_task.allow_cidrs")
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.2:"+port, http.StatusTemporaryRedirect)
	})
	open := tasks.Options{CallbackSecrets: []string{newSecret}, AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	_, err := deliver(t, newSet(t, open), s.URL)
	checkFailure(t, err, task.KindError, "answered 307")
	untouched()
}

// A name may be another address when it is asked for again, as it is at each try.
func TestCallbackIsJudgedByTheAddressThatIsDialled(t *testing.T) {
	s := serve(t, closing)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	resolveWith(t, map[string][][]string{"rebind.test.": {{"127.0.0.1"}, {"127.0.0.2"}}})
	set := newSet(t, tasks.Options{CallbackSecrets: []string{newSecret}, AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if _, err := deliver(t, set, "http://rebind.test:"+port+"/"); err != nil {
		t.Fatal(err)
	}
	_, err := deliver(t, set, "http://rebind.test:"+port+"/")
	checkFailure(t, err, task.KindPermanent, "127.0.0.2:"+port)
}

// A URL may hold a password or a token.
func TestErrorsOfCallbacksNameTheHostAlone(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	target, _ := url.Parse(gone.URL)
	_, err := deliver(t, newSet(t, signing(newSecret)), "http://ada:hunter2@"+target.Host+"/hunter2?token=hunter2")
	checkFailure(t, err, task.KindError, "POST "+target.Host)
	if strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// What is too large is left out and said to be.
func TestCallbackIsBounded(t *testing.T) {
	const limit = 128 << 10
	text := func(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }
	for _, tt := range []struct {
		payload, result int
		omitted         []any
		kept            []bool // payload and result
	}{
		{limit, limit, nil, []bool{true, true}},
		{limit + 1, limit, []any{"payload"}, []bool{false, true}},
		{limit, limit + 1, []any{"result"}, []bool{true, false}},
		{10 * limit, 10 * limit, []any{"payload", "result"}, []bool{false, false}},
	} {
		ended := &task.Task{ID: "a", State: task.Succeeded, Payload: text(tt.payload), Result: text(tt.result), Callback: &task.Callback{URL: "https://example.com"}}
		var shown task.Task
		req, err := tasks.NewCallback(ended, false, func(t *task.Task) ([]byte, error) { shown = *t; return []byte(`{}`), nil })
		if err != nil {
			t.Fatal(err)
		}
		if kept := []bool{shown.Payload != nil, shown.Result != nil}; !cmp.Equal(kept, tt.kept) {
			t.Errorf("payload of %d and result of %d: kept %v", tt.payload, tt.result, kept)
		}
		var in struct{ Body map[string]any }
		if err := json.Unmarshal(req.Payload, &in); err != nil {
			t.Fatal(err)
		}
		omitted, _ := in.Body["omitted"].([]any)
		if diff := cmp.Diff(tt.omitted, omitted); diff != "" || len(ended.Payload) != tt.payload || len(ended.Result) != tt.result {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
