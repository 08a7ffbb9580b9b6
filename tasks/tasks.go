// Package tasks holds the task types, one to a file. To add one, copy a file and change it: its payload, its result
// and its handler are all that there is to say.
package tasks

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/netip"

	"github.com/backbeat-go/backbeat/internal/task"
)

// Deps is what handlers need. Only workers have it.
type Deps struct {
	http      *http.Transport
	mail      mailer
	callbacks signer
	maxResult int
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

// NewDeps connects handlers to the world. It returns an error for an SMTPURL or a secret that cannot be read.
func NewDeps(opts Options) (*Deps, error) {
	mail, err := newMailer(opts)
	if err != nil {
		return nil, err
	}
	callbacks, err := newSigner(opts.CallbackSecrets)
	if err != nil {
		return nil, err
	}
	return &Deps{
		http: newHTTPTransport(opts.AllowCIDRs, opts.RootCAs), mail: mail, callbacks: callbacks, maxResult: opts.MaxResultBytes,
	}, nil
}

// entry is a task type with its handler, whose Go types are hidden.
type entry struct {
	typ  *task.Type
	bind func(*Deps) task.Handler
}

// catalog is filled by the definitions in this package.
var catalog []entry

// define adds a task type. The handler is a method of Deps, named as a method expression, so that programs that only
// need to know the type never make Deps.
func define[In, Out any](
	name string, run func(*Deps, context.Context, In) (Out, error), opts ...task.Option,
) task.Definition[In, Out] {
	def := task.Define[In, Out](name, opts...)
	catalog = append(catalog, entry{def.Type, func(d *Deps) task.Handler {
		return def.Handler(func(ctx context.Context, in In) (Out, error) { return run(d, ctx, in) })
	}})
	return def
}

// Register makes the types known; those for debugging only if debug is true.
func Register(r *task.Registry, debug bool) error {
	for _, e := range catalog {
		if e.typ.Debug && !debug {
			continue
		}
		if err := r.Add(e.typ); err != nil {
			return err
		}
	}
	return nil
}

// Handlers returns what runs the types, by name; those for debugging only if debug is true.
func Handlers(d *Deps, debug bool) map[string]task.Handler {
	handlers := make(map[string]task.Handler, len(catalog))
	for _, e := range catalog {
		if !e.typ.Debug || debug {
			handlers[e.typ.Name] = e.bind(d)
		}
	}
	return handlers
}
