// Command caller enqueues tasks, over HTTP if BACKBEAT_URL is set, and else straight to Redis.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/shop/jobs"
	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/client"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	q, err := enqueuer()
	if err != nil {
		log.Fatal(err)
	}
	t, err := client.Enqueue(ctx, q, jobs.Welcome, jobs.WelcomeIn{UserID: 7}, client.Delay(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Type, "is", t.State)
	out, err := client.Run(ctx, q, jobs.Sum, jobs.SumIn{Numbers: []int{1, 2, 3}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the sum is", out.Sum)
}

func enqueuer() (client.Enqueuer, error) {
	if url := os.Getenv("BACKBEAT_URL"); url != "" {
		return client.New(url, client.WithKey(os.Getenv("BACKBEAT_KEY")))
	}
	opts, err := redis.ParseURL(os.Getenv("BACKBEAT_REDIS_URL"))
	if err != nil {
		return nil, err
	}
	return backbeat.NewClient(redis.NewClient(opts)), nil
}
