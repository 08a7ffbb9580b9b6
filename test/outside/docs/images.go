package docs

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/task"
)

// ThumbnailIn says which image to scale.
type ThumbnailIn struct {
	URL   string `json:"url" format:"uri" doc:"Image to fetch."`
	Width int    `json:"width,omitempty" minimum:"16" maximum:"4096" default:"320"`
}

// ThumbnailOut says where the scaled image is.
type ThumbnailOut struct {
	URL string `json:"url" format:"uri"`
}

// Thumbnail scales an image.
var Thumbnail = task.Define[ThumbnailIn, ThumbnailOut]("image.thumbnail",
	task.Describe("Scales an image."), task.MaxRetries(5), task.Timeout(30*time.Second), task.Queue("low"))

// Store keeps images.
type Store interface {
	Scale(ctx context.Context, url string, width int) (string, error)
}

type images struct{ store Store }

func (i *images) thumbnail(ctx context.Context, in ThumbnailIn) (ThumbnailOut, error) {
	url, err := i.store.Scale(ctx, in.URL, in.Width)
	return ThumbnailOut{url}, err
}

// Main is a whole worker that reports failed attempts.
func Main(store Store, report func(error)) {
	i := &images{store}
	handler := Thumbnail.Handle(i.thumbnail)
	program.Main(program.Worker, handler, program.OnFailure(func(ctx context.Context, run task.RunInfo, err error) {
		report(fmt.Errorf("%s, attempt %d: %w", run.Type, run.Attempt, err))
	}))
}

// Run runs a worker in a program that does other things too.
func Run(ctx context.Context, rdb redis.UniversalClient, handler *task.Handler) error {
	w, err := backbeat.NewWorker(rdb, backbeat.WorkerConfig{Queues: map[string]int{"default": 3, "low": 1}, Concurrency: 16}, handler)
	if err != nil {
		return err
	}
	err = w.Run(ctx) // until ctx ends; then it drains, for ShutdownTimeout at most
	return err
}
