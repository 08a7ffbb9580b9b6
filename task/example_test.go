package task_test

import (
	"context"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

func ExampleDefine() {
	type GreetIn struct {
		Name     string `json:"name" minLength:"1" doc:"Whom to greet."`
		Greeting string `json:"greeting,omitempty" default:"Hello"`
	}
	type GreetOut struct {
		Text string `json:"text"`
	}
	greet := task.Define[GreetIn, GreetOut]("example.greet",
		task.Describe("Greets somebody."), task.MaxRetries(5), task.Timeout(time.Minute))
	handler := greet.Handle(func(_ context.Context, in GreetIn) (GreetOut, error) {
		return GreetOut{in.Greeting + ", " + in.Name + "!"}, nil
	})

	result, err := handler.Run(context.Background(), []byte(`{"name": "Ada"}`))
	fmt.Println(string(result), err)
	_, err = handler.Run(context.Background(), []byte(`{"nmae": "Ada"}`))
	fmt.Println(err)
	// Output:
	// {"text":"Hello, Ada!"} <nil>
	// the request is not valid; payload.name: is required; payload.nmae: unexpected property
}

func ExampleMiddleware() {
	timed := func(next task.Func) task.Func {
		return func(ctx context.Context, payload []byte) ([]byte, error) {
			defer fmt.Println("done")
			return next(ctx, payload)
		}
	}
	ping := task.Define[task.None, task.None]("example.ping")
	handler := ping.Handle(func(context.Context, task.None) (task.None, error) {
		fmt.Println("ping")
		return task.None{}, nil
	}, timed)
	_, _ = handler.Run(context.Background(), nil)
	// Output:
	// ping
	// done
}
