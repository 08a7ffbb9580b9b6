// Package auth authenticates callers. It reads the value of an Authorization header and returns a Principal with its
// scopes, or one of three errors:
//
//	                          ┌─ nothing sent ─────────────────────────▶ ErrNoCredentials     (401)
//	Authorization ──▶ scheme ─┼─ neither Bearer nor Basic ─────────────▶ BadCredentialsError  (401)
//	                          ├─ Basic:  password ──▶ keys ─────────┬──▶ Principal
//	                          └─ Bearer: value ─────▶ keys, or JWT ─┼──▶ BadCredentialsError  (401)
//	                                                                └──▶ ErrUnavailable       (503)
//
// # Keys
//
// Only SHA-256 digests of API keys are kept in memory. The caller's key is hashed and compared in constant time with
// each of them, without stopping at a match, so that timing reveals neither a key nor which key matched.
//
// # Tokens
//
// The configured key, never the token, decides which algorithms are accepted:
//
//	secret           HS256
//	public key file  RS256, ES256 or EdDSA, depending on the type of the key
//	JWKS URL         RS256, ES256 and EdDSA, each only with keys of its own type
//
// So neither "none" nor a public key used as an HMAC secret can pass. Keys in or referred to by the token itself (jwk,
// jku, x5c, x5u) are ignored. A token with critical extensions (crit) is refused, since none are supported. RSA keys
// need at least 2048 bits, EC keys must be on P-256, and a secret needs at least 32 bytes (RFC 7518, sections 3.2
// to 3.4).
//
// A token must expire (exp) and have a subject (sub), which becomes the principal's name. Issuer and audience are
// checked if they are configured. Clocks may differ by 30 s. The token's scopes are in scope (RFC 8693, section 4.2)
// or, if that claim is missing, in scp, which some issuers use instead. Either may be a space-separated string or a
// list. Unknown scopes are ignored. A token without scopes is authenticated and may do nothing.
//
// # Key sets
//
// One goroutine fetches the JWKS URL: at the start, every 5 minutes, and when a token names an unknown key. Fetches
// for unknown keys are at least 10 s apart, so that made-up key IDs put no load on the issuer; the request with the
// unknown key waits for the fetch. A key that the issuer withdraws is removed by the next fetch.
//
//	issuer unreachable at the start        tokens get ErrUnavailable until a fetch succeeds; API keys work
//	issuer unreachable later               known keys remain valid; a token of an unknown key gets ErrUnavailable
//	any status but 200, redirects as well  the same
//	more than 1 MiB, or not a key set      the same
//	a key that is not supported            ignored, as RFC 7517, section 5, asks
//	a key set without a usable key         accepted: no token passes until the issuer publishes one
//
// A failed fetch is retried every 10 s, and logged when its cause changes.
package auth
