package rest

import "context"

// Note is what a handler adds to the audit entry of its request.
type Note struct {
	Target, Detail string
	// Nothing is set if the request changed nothing, so that it is not recorded.
	Nothing bool
}

type noteKey struct{}

// WithNote returns a context that holds a note.
func WithNote(ctx context.Context, note *Note) context.Context {
	return context.WithValue(ctx, noteKey{}, note)
}

// NoteOf returns the note of a request to a route with an Action. Of other requests it is not recorded.
func NoteOf(ctx context.Context) *Note {
	if note, ok := ctx.Value(noteKey{}).(*Note); ok {
		return note
	}
	return &Note{}
}
