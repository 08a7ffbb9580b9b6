// Package tasks defines the built-in task types, one per file. Programs get them with Builtin.
package tasks

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/task"
)

// Set is the built-in task types with their handlers.
type Set struct{ deps *deps }

// Builtin returns the built-in types for program.Main and program.New, which configure them. Without configuration,
// http.request connects to public addresses only, email.send has no mail server, and callbacks are not sent.
func Builtin() Set {
	set, err := New(Options{})
	if err != nil {
		panic(err) // the zero Options are valid
	}
	return set
}

// New returns the built-in types for a worker that does not use package program. It returns an error for an invalid SMTPURL
// or callback secret.
func New(opts Options) (Set, error) {
	mail, err := newMailer(opts)
	if err != nil {
		return Set{}, err
	}
	callbacks, err := newSigner(opts.CallbackSecrets)
	if err != nil {
		return Set{}, err
	}
	return Set{&deps{
		http: newHTTPTransport(opts.AllowCIDRs, opts.RootCAs), mail: mail, callbacks: callbacks, maxResult: opts.MaxResultBytes,
	}}, nil
}

// Configure returns the types with the mail server, allowed addresses and callback secrets of a configuration.
func (Set) Configure(cfg *config.Config) (task.Set, error) {
	secrets := make([]string, len(cfg.Callback.Secrets))
	for i, secret := range cfg.Callback.Secrets {
		secrets[i] = secret.Reveal()
	}
	set, err := New(Options{
		AllowCIDRs:      cfg.HTTPTask.AllowCIDRs,
		CallbackSecrets: secrets,
		SMTPURL:         cfg.SMTP.URL.Reveal(),
		SMTPFrom:        cfg.SMTP.From,
		MaxResultBytes:  cfg.MaxResultBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("built-in task types: %w", err)
	}
	return set, nil
}

// Handlers returns the handlers of the types.
func (s Set) Handlers() []*task.Handler {
	handlers := make([]*task.Handler, len(builtin))
	for i, handle := range builtin {
		handlers[i] = handle(s.deps)
	}
	return handlers
}

// Options are the options of New.
type Options struct {
	// AllowCIDRs are the addresses that http.request and callbacks may connect to besides public ones. Default: none.
	AllowCIDRs []netip.Prefix
	// CallbackSecrets are whsec_ and base64. Each callback is signed with all of them. Default: none; no callback is sent.
	CallbackSecrets []string
	// SMTPURL is the mail server of email.send. Default: none; email.send fails.
	SMTPURL string
	// SMTPFrom is the default sender of email.send. Default: none; the payload must have a sender.
	SMTPFrom string
	// MaxResultBytes bounds a result as JSON, in bytes: http.request truncates the response body. Default: no limit.
	MaxResultBytes int
	// RootCAs are the certificate authorities that servers' certificates are verified with. Default: the system's.
	RootCAs *x509.CertPool
}

// deps are the dependencies of the handlers.
type deps struct {
	http      *http.Transport
	mail      mailer
	callbacks signer
	maxResult int
}

// builtin lists the handlers that the files of this package define.
var builtin []func(*deps) *task.Handler

// define adds a type to the set. run is a method expression of deps.
func define[In, Out any](
	name string, run func(*deps, context.Context, In) (Out, error), opts ...task.Option,
) task.Definition[In, Out] {
	def := task.Define[In, Out](name, opts...)
	builtin = append(builtin, func(d *deps) *task.Handler {
		return def.Handle(func(ctx context.Context, in In) (Out, error) { return run(d, ctx, in) })
	})
	return def
}
