package task_test

import (
	"context"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/internal/task"
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
	handler := greet.Handler(func(_ context.Context, in GreetIn) (GreetOut, error) {
		return GreetOut{in.Greeting + ", " + in.Name + "!"}, nil
	})

	registry := task.NewRegistry([]string{"default"}, time.Hour)
	if err := registry.Add(greet.Type); err != nil {
		panic(err)
	}
	_, err := registry.Prepare(task.Request{Type: "example.greet", Payload: []byte(`{"nmae": "Ada"}`)}, time.Now())
	fmt.Println(err)

	request, err := greet.Request(GreetIn{Name: "Ada"})
	if err != nil {
		panic(err)
	}
	prepared, err := registry.Prepare(request, time.Now())
	if err != nil {
		panic(err)
	}
	result, err := handler(context.Background(), prepared.Payload)
	fmt.Println(string(result), err)
	// Output:
	// the request is not valid; payload.name: is required; payload.nmae: unexpected property
	// {"text":"Hello, Ada!"} <nil>
}
