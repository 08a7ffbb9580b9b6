package task

// Filter selects tasks to list. Empty fields select all.
type Filter struct {
	Queue string
	State State
	Type  string
}

// Page is one page of a list.
type Page struct {
	Tasks []*Task
	// NextCursor is where the next page begins; "" at the end. It is opaque and needs no safekeeping: a
	// made-up one is answered with CodeInvalid.
	NextCursor string
}
