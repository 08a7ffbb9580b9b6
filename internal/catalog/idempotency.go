package catalog

import "errors"

// Idempotency names a request that is to make one task, however often it is sent.
type Idempotency struct {
	// Caller is who sends it. The keys of one caller and those of another have nothing to do with each other.
	Caller string
	Key    string
	// Request is what is asked for, as JSON. White space and the order of members make no difference.
	Request []byte
}

// ErrKeyReused says that the caller has sent another request with the same idempotency key before.
var ErrKeyReused = errors.New("the idempotency key stands for another request")
