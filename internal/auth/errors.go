package auth

import "errors"

// ErrNoCredentials is returned where there is no Authorization header, or an empty one.
var ErrNoCredentials = errors.New("no credentials: send Authorization: Bearer with an API key or a JWT")

// ErrUnavailable is returned for a token that may be good, but whose key cannot be fetched from its issuer now.
// The same token may pass later. The log has the cause.
var ErrUnavailable = errors.New("the token cannot be checked now: the keys of its issuer could not be fetched; try again")

// BadCredentialsError is returned for credentials that are wrong and stay wrong.
type BadCredentialsError struct {
	// Reason says why, in ASCII without quotes or backslashes, so that it fits the error_description of a
	// WWW-Authenticate header (RFC 6750). It holds nothing of what the caller sent.
	Reason string
}

// Error gives the reason.
func (e *BadCredentialsError) Error() string { return "bad credentials: " + e.Reason }

func bad(reason string) error { return &BadCredentialsError{Reason: reason} }
