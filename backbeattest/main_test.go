package backbeattest_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

// tests are all tests, and then the end of what the examples have started.
type tests struct{ *testing.M }

func (m tests) Run() int {
	defer t.end()
	return m.M.Run()
}
