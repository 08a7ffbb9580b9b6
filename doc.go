// Package backbeat enqueues and runs tasks straight on Redis, in programs of your own: [Client] enqueues them, [Worker] runs
// them. Both share the queues with the programs in cmd, and with stock asynq clients and workers.
//
//	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
//	w, err := backbeat.NewWorker(rdb, backbeat.WorkerConfig{}, jobs.Welcome.Handle(mail.welcome))
//	…
//	err = w.Run(ctx) // ends, drained, when ctx does
//
//	q := backbeat.NewClient(rdb)
//	t, err := client.Enqueue(ctx, q, jobs.Welcome, jobs.WelcomeIn{UserID: 7}, client.Delay(time.Minute))
//	out, err := client.Run(ctx, q, jobs.Sum, in) // waits; typed
//
// Types are defined with package task. Whole programs, with flags, configuration, logs, metrics and health, are made with
// package program; programs elsewhere use the HTTP API with package client, and the same functions.
package backbeat
