package task

// Callback is whom to tell how a task has ended. Its JSON is what the API takes and shows, and what a schedule keeps.
type Callback struct {
	URL string `json:"url" format:"uri" maxLength:"8192" doc:"Where a signed POST goes, http or https." example:"https://example.com/task-done"`
	// Events are the terminal states to tell of. In a request none means all; a prepared task names each once.
	Events []State `json:"events,omitempty" minItems:"1" enum:"succeeded,failed,canceled,expired" doc:"The ends to tell of. Default: all of them."`
}
