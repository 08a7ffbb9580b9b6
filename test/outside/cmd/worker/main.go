// Command worker is a whole worker: flags, environment, file, logs, metrics, health and drain as cmd/worker has them.
package main

import (
	"context"
	"log/slog"
	"os"

	"example.com/shop/jobs"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/task"
)

func main() {
	mail := newMailer(os.Getenv("SMTP_URL"))
	program.Main(program.Worker, jobs.Welcome.Handle(mail.welcome), jobs.Sum.Handle(sum)) // tasks.Builtin() adds the built-in types
}

type mailer struct{ url string }

func newMailer(url string) *mailer { return &mailer{url} }

func (m *mailer) welcome(ctx context.Context, in jobs.WelcomeIn) (task.None, error) {
	slog.InfoContext(ctx, "welcome", "user", in.UserID, "over", m.url)
	return task.None{}, nil
}

func sum(_ context.Context, in jobs.SumIn) (out jobs.SumOut, err error) {
	for _, n := range in.Numbers {
		out.Sum += n
	}
	return out, nil
}
