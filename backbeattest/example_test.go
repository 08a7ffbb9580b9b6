package backbeattest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/task"
)

type WelcomeIn struct {
	Address string `json:"address" format:"email"`
}

var Welcome = task.Define[WelcomeIn, task.None]("mail.welcome", task.MaxRetries(5))

type mailer struct{ err error }

func (m mailer) welcome(context.Context, WelcomeIn) (task.None, error) { return task.None{}, m.err }

// signUp is the code under test.
func signUp(ctx context.Context, q client.Enqueuer, address string) error {
	_, err := client.Enqueue(ctx, q, Welcome, WelcomeIn{address}, client.Delay(time.Minute))
	return err
}

// exampleTest stands for the *testing.T that a test has. It ends after the examples; see TestMain.
type exampleTest struct {
	testing.TB
	cleanups []func()
}

func (*exampleTest) Helper()                   {}
func (*exampleTest) Context() context.Context  { return context.Background() }
func (*exampleTest) Output() io.Writer         { return io.Discard }
func (*exampleTest) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (*exampleTest) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (*exampleTest) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (e *exampleTest) Cleanup(f func())        { e.cleanups = append(e.cleanups, f) }

func (e *exampleTest) end() {
	for _, cleanup := range slices.Backward(e.cleanups) {
		cleanup()
	}
}

var t = &exampleTest{}

func ExampleRun() {
	mail := mailer{err: task.RetryAfter(time.Minute, errors.New("connection refused"))}
	out := backbeattest.Run(t, Welcome, mail.welcome, WelcomeIn{"ada@example.com"})
	fmt.Println(out.State, "after", out.Delay, out.Failure.Message)
	out = backbeattest.Run(t, Welcome, mail.welcome, WelcomeIn{"ada@example.com"}, backbeattest.WithInfo(task.RunInfo{Attempt: 6}))
	fmt.Println(out.State)
	out = backbeattest.Run(t, Welcome, mail.welcome, WelcomeIn{"ada"})
	fmt.Println(out.State, out.Failure.Kind)
	// Output:
	// retrying after 1m0s connection refused
	// failed
	// failed permanent
}

func ExampleRequireEnqueued() {
	q := backbeattest.NewRecorder(t)
	_ = signUp(t.Context(), q, "ada@example.com")
	welcome := backbeattest.RequireEnqueued(t, q, Welcome)
	fmt.Println(welcome.In.Address, welcome.Task.State)
	// Output: ada@example.com scheduled
}

func ExampleAwaitEnqueued() {
	q := backbeattest.NewRecorder(t)
	go signUp(t.Context(), q, "ada@example.com")
	welcome := backbeattest.AwaitEnqueued(t, q, Welcome, 10*time.Second)
	fmt.Println(welcome.In.Address)
	// Output: ada@example.com
}

func ExampleRecorder_Run() {
	q := backbeattest.NewRecorder(t)
	_ = signUp(t.Context(), q, "ada@example.com")
	q.Run(Welcome.Handle(mailer{}.welcome)) // the delay is passed over
	fmt.Println(backbeattest.RequireEnqueued(t, q, Welcome).Task.State)
	// Output: succeeded
}

func ExampleRecorder_Handle() {
	q := backbeattest.NewRecorder(t)
	q.Handle(sum.Handle(add))
	out, err := client.Run(t.Context(), q, sum, sumIn{A: 2, B: 3}) // who waits runs the task
	fmt.Println(out.Sum, err)
	// Output: 5 <nil>
}

func ExampleStart() {
	d := backbeattest.Start(t, sum.Handle(add)) // t is that of the test
	out, err := client.Run(t.Context(), d.Client(), sum, sumIn{A: 2, B: 3})
	fmt.Println(out.Sum, err)
	// Output: 5 <nil>
}

var Report = task.Define[task.None, task.None]("report.daily", task.MaxRetries(5))

// A schedule that fires each day.
func ExampleDeployment_Advance() {
	var reports atomic.Int64
	d := backbeattest.Start(t, Report.Handle(func(context.Context, task.None) (task.None, error) {
		reports.Add(1)
		return task.None{}, nil
	}))
	api := httptest.NewServer(d.Handler())
	defer api.Close()
	c, _ := client.New(api.URL)
	_, err := c.PutSchedule(t.Context(), "report", client.ScheduleSpec{
		Trigger: client.Trigger{Cron: "30 2 * * *"}, Task: client.TaskTemplate{Type: "report.daily"},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Advance(3 * 24 * time.Hour)
	d.WaitIdle(t.Context())
	fmt.Println(reports.Load(), "reports in three days")
	// Output: 3 reports in three days
}

// A task that fails until the mail server is back, an hour later.
func ExampleDeployment_Advance_retry() {
	var back time.Time // when the mail server is
	var d *backbeattest.Deployment
	d = backbeattest.Start(t, Welcome.Handle(func(context.Context, WelcomeIn) (task.None, error) {
		if d.Now().Before(back) {
			return task.None{}, task.RetryAfter(20*time.Minute, errors.New("connection refused"))
		}
		return task.None{}, nil
	}))
	back = d.Now().Add(time.Hour)
	welcome, err := client.Enqueue(t.Context(), d.Client(), Welcome, WelcomeIn{"ada@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	d.Advance(61 * time.Minute)
	d.WaitIdle(t.Context())
	welcome, err = d.Client().Task(t.Context(), welcome.ID)
	fmt.Println(welcome.State, "in attempt", welcome.Attempt, err)
	// Output: succeeded in attempt 4 <nil>
}
