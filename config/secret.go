package config

import (
	"log/slog"
	"net/url"
	"strings"
)

// Secret is a string that is redacted when it is printed, logged or encoded. A URL is printed without its password and
// query; any other value is printed as ***.
type Secret string

// String returns the redacted form.
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

// GoString redacts the secret in %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue redacts the secret in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText redacts the secret in JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }
