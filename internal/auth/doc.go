// Package auth says who a caller is and what it may do. It reads the value of an Authorization header and
// returns a Principal, or one of three errors:
//
//	                          ┌─ nothing sent ─────────────────────────▶ ErrNoCredentials     (401)
//	Authorization ──▶ scheme ─┼─ neither Bearer nor Basic ─────────────▶ BadCredentialsError  (401)
//	                          ├─ Basic:  password ──▶ keys ─────────┬──▶ Principal
//	                          └─ Bearer: value ─────▶ keys, or JWT ─┼──▶ BadCredentialsError  (401)
//	                                                                └──▶ ErrUnavailable       (503)
//
// # Keys
//
// Only SHA-256 digests of API keys are held. What a caller sends is hashed and compared in constant time with
// each of them, without stopping at the one that matches: time tells nothing about a key, nor which one it is.
//
// # Tokens
//
// The kind of key that is configured decides which algorithm a token may name, never the token:
//
//	secret           HS256
//	public key file  RS256, ES256 or EdDSA, whichever the key is for
//	JWKS URL         RS256, ES256 and EdDSA, each with keys of its own type only
//
// So neither "none" nor a public key used as an HMAC secret can pass. Keys that a token itself brings or points
// at (jwk, jku, x5c, x5u) are never looked at, and a token with critical extensions (crit) is refused, since none
// are understood. RSA keys have 2048 bits at least, EC keys lie on P-256, and a secret has 32 bytes at least (RFC
// 7518, sections 3.2 to 3.4).
//
// A token must expire (exp) and have a subject (sub), which becomes the principal's name. Issuer and audience are
// checked where they are configured. Clocks may differ by 30 s. What a token may do stands in scope (RFC 8693,
// section 4.2), or where that is missing in scp, which some issuers use instead; either may be a string with
// spaces or a list. Unknown scopes are ignored, and a token without any may do nothing.
//
// # Key sets
//
// One goroutine fetches the JWKS URL: at the start, every 5 minutes, and when a token names a key that is not
// there. The last happens 10 s after the fetch before it at the soonest, so that made-up key names cost the
// issuer nothing; the request that caused it waits for it. A key that the issuer withdraws is gone with the next
// fetch.
//
//	issuer not reachable at the start   tokens get ErrUnavailable until a fetch succeeds; keys work
//	issuer not reachable later          the keys at hand go on; a token of another key gets ErrUnavailable
//	any answer but 200, a redirect too  the same
//	more than 1 MiB, or not a key set   the same
//	a key that is not understood        passed over, as RFC 7517, section 5, asks
//	a key set without a usable key      believed: no token passes until the issuer publishes one
//
// A failed fetch is tried again every 10 s, and logged when its reason changes.
package auth
