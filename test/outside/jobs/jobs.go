// Package jobs defines the task types of the shop: definitions only, so that callers import nothing heavy.
package jobs // example.com/shop/jobs

import "github.com/backbeat-go/backbeat/task"

// WelcomeIn is whom to welcome.
type WelcomeIn struct {
	UserID int64 `json:"user_id" minimum:"1"`
}

// Welcome sends a mail.
var Welcome = task.Define[WelcomeIn, task.None]("mail.welcome", task.MaxRetries(5), task.Aliases("mail.hello"))

// SumIn are numbers.
type SumIn struct {
	Numbers []int `json:"numbers" minItems:"1"`
}

// SumOut is what they come to.
type SumOut struct {
	Sum int `json:"sum"`
}

// Sum adds numbers.
var Sum = task.Define[SumIn, SumOut]("shop.sum", task.Describe("Adds numbers."))
