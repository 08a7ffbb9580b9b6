package docs

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/shop/jobs"
	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/client"
)

// Enqueue enqueues a task straight to Redis and returns it, and the result of another one.
func Enqueue(ctx context.Context, rdb redis.UniversalClient, in jobs.SumIn) (*client.Task, jobs.SumOut, error) {
	var q client.Enqueuer = backbeat.NewClient(rdb) // client.New(url, client.WithKey(key)) is one over HTTP
	t, err := client.Enqueue(ctx, q, jobs.Welcome, jobs.WelcomeIn{UserID: 7}, client.Delay(time.Minute))
	if err != nil {
		return nil, jobs.SumOut{}, err
	}
	out, err := client.Run(ctx, q, jobs.Sum, in) // waits; typed
	return t, out, err
}
