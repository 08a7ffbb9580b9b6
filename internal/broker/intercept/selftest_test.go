package intercept

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestSelfTestOfThisAsynq(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	began := time.Now()
	if err := selfTest(operations); err != nil {
		t.Fatal(err)
	}
	t.Log("the self-test took", time.Since(began))
}

// To a table without one of its operations, the asynq of this program is a future one.
func TestSelfTestMissesEveryOperation(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, op := range operations {
		if op.do == extendLeases {
			continue // not before five seconds have passed
		}
		without := slices.DeleteFunc(slices.Clone(operations), func(o operation) bool { return o.name == op.name })
		err := selfTest(without)
		if err == nil {
			t.Errorf("without %q: no error", op.name)
			continue
		}
		wantIncompatible(t, err)
		if op.via != viaScript && !strings.Contains(err.Error(), op.patterns) {
			t.Errorf("without %q: %v", op.name, err)
		}
	}
}

// An asynq that no longer sends a command is found too: it may send something else in a case that was not run.
func TestSelfTestMissesACommandThatIsNotSent(t *testing.T) {
	r := newRecorder(operations)
	defer r.Close()
	for _, op := range operations {
		r.missing[op.name] = op.name == "retry"
	}
	err := r.result()
	if err == nil || !strings.Contains(err.Error(), `"retry"`) {
		t.Fatalf("got %v", err)
	}
	wantIncompatible(t, err)
}

func wantIncompatible(t *testing.T, err error) {
	t.Helper()
	for _, text := range []string{"asynq " + asynqVersion(), knownAsynq, "go get " + asynqModule} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}
