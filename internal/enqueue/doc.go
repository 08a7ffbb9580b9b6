// Package enqueue is what the Enqueuers that are no API share: they check requests as the API does, and show tasks and errors
// as it does.
package enqueue
