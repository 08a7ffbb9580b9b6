// Package tasks holds the built-in task types, one to a file. To add one, copy a file and change it: its payload, its result
// and its handler are all that there is to say. Programs get them with Builtin.
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

// Builtin returns the built-in types, for program.Main and program.New, which configure them. Without that http.request
// reaches public addresses only, email.send has no mail server, and callbacks are not signed.
func Builtin() Set {
	set, err := New(Options{})
	if err != nil {
		panic(err) // options that say nothing are right
	}
	return set
}

// New returns the built-in types for a worker in a program of one's own. It returns an error for an SMTPURL or a secret that
// cannot be read.
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

// Configure returns the types as a configuration wants them: with its mail server, its addresses and its secrets.
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

// Handlers returns the types with what runs them.
func (s Set) Handlers() []*task.Handler {
	handlers := make([]*task.Handler, len(builtin))
	for i, handle := range builtin {
		handlers[i] = handle(s.deps)
	}
	return handlers
}

// Options say what handlers may use.
type Options struct {
	// AllowCIDRs are addresses that http.request and callbacks may call besides public ones.
	AllowCIDRs []netip.Prefix
	// CallbackSecrets sign callbacks, each of them all: whsec_ and base64. Without any, no callback is sent.
	CallbackSecrets []string
	// SMTPURL is the mail server of email.send; without one such tasks fail.
	SMTPURL string
	// SMTPFrom is the sender of mails that name none.
	SMTPFrom string
	// MaxResultBytes bounds a result as JSON: http.request cuts the body of the answer. Default: nothing does.
	MaxResultBytes int
	// RootCAs are the authorities whose certificates servers may show. Default: the system's.
	RootCAs *x509.CertPool
}

// deps is what handlers need.
type deps struct {
	http      *http.Transport
	mail      mailer
	callbacks signer
	maxResult int
}

// builtin is what the files of this package define.
var builtin []func(*deps) *task.Handler

// define adds a type to the set. The handler is a method of deps, named as a method expression.
func define[In, Out any](
	name string, run func(*deps, context.Context, In) (Out, error), opts ...task.Option,
) task.Definition[In, Out] {
	def := task.Define[In, Out](name, opts...)
	builtin = append(builtin, func(d *deps) *task.Handler {
		return def.Handle(func(ctx context.Context, in In) (Out, error) { return run(d, ctx, in) })
	})
	return def
}
