package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hibiken/asynq"
	"github.com/labstack/echo/v4"
)

// beBare is what the benchmark does when it was started as an API of a few lines: echo handlers that only enqueue with
// asynq, and look tasks up with its Inspector.
func beBare(ctx context.Context, redisAddr string) error {
	redis := asynq.RedisClientOpt{Addr: redisAddr}
	client, inspector := asynq.NewClient(redis), asynq.NewInspector(redis)
	defer func() {
		_ = client.Close() // the process ends
		_ = inspector.Close()
	}()
	e := echo.New()
	e.POST("/v1/tasks", func(c echo.Context) error {
		var in struct {
			Type    string          `json:"type"`
			Payload json.RawMessage `json:"payload"`
		}
		if err := c.Bind(&in); err != nil {
			return err
		}
		info, err := client.EnqueueContext(c.Request().Context(), asynq.NewTask(in.Type, in.Payload), asynq.Queue(queueName))
		if err != nil {
			return err
		}
		return c.JSON(http.StatusAccepted, bareTask(info))
	})
	e.GET("/v1/tasks/:id", func(c echo.Context) error {
		info, err := inspector.GetTaskInfo(queueName, c.Param("id"))
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, bareTask(info))
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}
	fmt.Fprintf(os.Stderr, `{"msg":"ready","api":"http://%s"}`+"\n", l.Addr()) // as the programs do
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

func bareTask(info *asynq.TaskInfo) map[string]any {
	return map[string]any{
		"id": info.ID, "type": info.Type, "queue": info.Queue, "state": info.State.String(), "payload": json.RawMessage(info.Payload),
		"max_retries": info.MaxRetry,
	}
}
