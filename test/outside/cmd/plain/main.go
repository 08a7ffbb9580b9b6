// Command plain is a worker in a program of one's own.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"

	"example.com/shop/jobs"
	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/task"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	opts, err := redis.ParseURL(os.Getenv("BACKBEAT_REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	w, err := backbeat.NewWorker(redis.NewClient(opts), backbeat.WorkerConfig{Concurrency: 64}, jobs.Welcome.Handle(welcome))
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Run(ctx); err != nil { // ends, drained, when ctx does
		log.Fatal(err)
	}
}

func welcome(_ context.Context, in jobs.WelcomeIn) (task.None, error) {
	log.Print("welcome, ", in.UserID)
	return task.None{}, nil
}
