package auth

import "slices"

// The scopes. None includes another: TasksWrite does not include TasksRead, and Admin includes none of the others.
// Only Every includes all.
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

// Kind is the kind of credentials. Names are unique within a kind only: the subject of a token may have the same name
// as an API key.
type Kind string

// The kinds.
const (
	KindKey   Kind = "key"
	KindToken Kind = "jwt"
)

// Principal is an authenticated caller. The zero Principal has no scopes.
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
