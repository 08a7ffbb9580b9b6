package config

import (
	"net"
	"net/netip"
)

// check finds faults that lie in several keys together.
func check(p Program, cfg *Config) (faults []Fault) {
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
		faults = append(faults, Fault{Key: "api.jwt", Message: "takes one of secret, public_key_file and jwks_url"})
	case sources == 0 && jwt != (JWT{}):
		// To serve openly while somebody believes that tokens protect it would be the worst of all.
		faults = append(faults, Fault{Key: "api.jwt", Message: "needs secret, public_key_file or jwks_url to check tokens with"})
	}
	protected := len(cfg.API.Keys) > 0 || sources > 0
	if !protected && !cfg.API.Insecure && !Loopback(cfg.API.Addr) {
		faults = append(faults, Fault{Key: "api.addr", Message: "is not a loopback address, and the API has no authentication: " +
			"anybody who reaches it could run tasks; set api.keys or api.jwt, listen on 127.0.0.1, or set api.insecure if something else protects it"})
	}
	return faults
}

// Loopback reports whether only this machine reaches host:port.
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
