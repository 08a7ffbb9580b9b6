package program

import (
	"log/slog"
	"strings"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi/guard"
)

// callers is who may call the API: anybody, if there is no Authenticator.
type callers struct{ *auth.Authenticator }

func authenticator(cfg *config.Config, logger *slog.Logger) (callers, error) {
	jwt := cfg.API.JWT
	if len(cfg.API.Keys) == 0 && jwt == (config.JWT{}) {
		return callers{}, nil
	}
	c := auth.Config{Logger: logger}
	for _, k := range cfg.API.Keys {
		c.Keys = append(c.Keys, auth.Key{Name: k.Name, Secret: k.Secret.Reveal(), Scopes: k.Scopes})
	}
	if jwt != (config.JWT{}) {
		c.JWT = &auth.JWT{
			Secret: jwt.Secret.Reveal(), PublicKeyFile: jwt.PublicKeyFile, JWKSURL: jwt.JWKSURL, Issuer: jwt.Issuer, Audience: jwt.Audience,
		}
	}
	a, err := auth.New(c)
	if err != nil {
		invalid := &config.Error{}
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			invalid.Errors = append(invalid.Errors, config.ValidationError{Key: "api", Message: problem})
		}
		return callers{}, invalid
	}
	return callers{a}, nil
}

// asInterface returns nil for nobody, and not an interface that holds nil.
func (c callers) asInterface() guard.Authenticator {
	if c.Authenticator == nil {
		return nil
	}
	return c.Authenticator
}

func (c callers) close() {
	if c.Authenticator != nil {
		c.Close()
	}
}
