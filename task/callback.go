package task

// Callback is a webhook that is notified when a task has finished. The API and stored schedules use its JSON form.
type Callback struct {
	URL string `json:"url" format:"uri" maxLength:"8192" doc:"URL of the signed POST, http or https." example:"https://example.com/task-done"`
	// Events are the terminal states to notify of. In a request, none means all; a prepared task lists each once.
	Events []State `json:"events,omitempty" minItems:"1" enum:"succeeded,failed,canceled,expired" doc:"The terminal states to notify of. Default: all."`
}
