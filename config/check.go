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
	protected := len(cfg.API.Keys) > 0 || jwt.Secret != "" || jwt.JWKSURL != ""
	// To serve openly while somebody believes that keys protect it would be the worst of all.
	if len(cfg.API.Keys) > 0 {
		faults = append(faults, Fault{Key: "api.keys", Message: noAuthentication})
	}
	if jwt != (JWT{}) {
		faults = append(faults, Fault{Key: "api.jwt", Message: noAuthentication})
	}
	if !protected && !cfg.API.Insecure && !Loopback(cfg.API.Addr) {
		faults = append(faults, Fault{Key: "api.addr", Message: "is not a loopback address, and the API has no authentication: " +
			"anybody who reaches it could run tasks; listen on 127.0.0.1, or set api.insecure if something else protects it"})
	}
	return faults
}

const noAuthentication = "authentication is not available in this version, and the API does not start while it is asked for; " +
	"remove it and let the API listen on a loopback address"

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
