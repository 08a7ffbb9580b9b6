package auth

import "slices"

// What a principal may be allowed to do. Each scope stands for itself: TasksWrite does not include TasksRead,
// and Admin none of the others. Every includes all.
const (
	TasksRead      = "tasks.read"
	TasksWrite     = "tasks.write"
	SchedulesRead  = "schedules.read"
	SchedulesWrite = "schedules.write"
	QueuesRead     = "queues.read"
	QueuesWrite    = "queues.write"
	Admin          = "admin"
	Every          = "*"
)

// Kind is what a principal showed. Names are unique within a kind only: an issuer may well name a subject as
// somebody here named a key.
type Kind string

// The kinds.
const (
	KindKey   Kind = "key"
	KindToken Kind = "jwt"
)

// Principal is a caller who has shown who it is. The zero Principal may do nothing.
type Principal struct {
	Kind   Kind
	Name   string // the key's name, or the token's subject
	Scopes []string
}

// May reports whether the principal has scope, by name or through Every.
func (p Principal) May(scope string) bool {
	return slices.Contains(p.Scopes, scope) || slices.Contains(p.Scopes, Every)
}

func isScope(name string) bool {
	switch name {
	case TasksRead, TasksWrite, SchedulesRead, SchedulesWrite, QueuesRead, QueuesWrite, Admin, Every:
		return true
	}
	return false
}
