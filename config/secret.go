package config

import (
	"log/slog"
	"net/url"
	"strings"
)

// Secret is a string that prints without what is secret in it: as a URL without its password, and otherwise not
// at all.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	if u, err := url.Parse(string(s)); err == nil && u.Scheme != "" && u.Host != "" && !strings.Contains(u.Host, ",") {
		u.RawQuery = ""
		return u.Redacted()
	}
	return "***"
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue hides it from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides it from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }
