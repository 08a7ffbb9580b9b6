package config

import (
	"net"
	"net/netip"
)

// check finds errors that involve several keys.
func check(p Program, cfg *Config) (found []ValidationError) {
	if !p.serves() {
		return nil
	}
	jwt := cfg.API.JWT
	sources := 0
	for _, given := range []bool{jwt.Secret != "", jwt.PublicKeyFile != "", jwt.JWKSURL != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources > 1:
		found = append(found, ValidationError{Key: "api.jwt", Message: "takes exactly one of secret, public_key_file and jwks_url"})
	case sources == 0 && jwt != (JWT{}):
		// The user expects tokens to protect the API. It must not start without authentication.
		found = append(found, ValidationError{Key: "api.jwt", Message: "needs secret, public_key_file or jwks_url to verify tokens"})
	}
	protected := len(cfg.API.Keys) > 0 || sources > 0
	if !protected && !cfg.API.Insecure && !Loopback(cfg.API.Addr) {
		found = append(found, ValidationError{Key: "api.addr", Message: "is not a loopback address, and the API has no authentication: " +
			"every client that can connect could run tasks; set api.keys or api.jwt, listen on 127.0.0.1, or set api.insecure if something else protects it"})
	}
	return found
}

// Loopback reports whether addr, host:port, is reachable from this machine only.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
