package auth

import "errors"

// ErrNoCredentials is returned for a missing or empty Authorization header.
var ErrNoCredentials = errors.New("no credentials: send Authorization: Bearer with an API key or a JWT")

// ErrUnavailable is returned for a token that may be valid, but whose key cannot be fetched from the issuer now.
// The same token may pass later. The cause is logged.
var ErrUnavailable = errors.New("the token cannot be checked now: the keys of its issuer could not be fetched; try again")

// BadCredentialsError is returned for credentials that are invalid and stay invalid.
type BadCredentialsError struct {
	// Reason is ASCII without quotes or backslashes, so that it fits the error_description of a WWW-Authenticate
	// header (RFC 6750). It contains nothing of what the caller sent.
	Reason string
}

// Error returns the reason.
func (e *BadCredentialsError) Error() string { return "bad credentials: " + e.Reason }

func bad(reason string) error { return &BadCredentialsError{Reason: reason} }
