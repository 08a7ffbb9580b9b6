package tasks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/backbeat-go/backbeat/task"
)

// mailer delivers emails to a server. The zero mailer has none.
type mailer struct {
	host    string
	address string // host:port, with brackets for IPv6, which go-mail does not add
	options []gomail.Option
	dial    gomail.DialContextFunc
	from    string
}

// newMailer reads smtp://user:password@host:587, which means STARTTLS, or smtps://host:465, which means TLS from the
// start. ?tls=opportunistic or none take what the server offers, or nothing. Its errors do not quote the URL, which
// holds a password.
func newMailer(opts Options) (mailer, error) {
	if opts.SMTPURL == "" {
		return mailer{from: opts.SMTPFrom}, nil
	}
	u, err := url.Parse(opts.SMTPURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return mailer{}, errors.New("smtp.url must be smtp://host:port or smtps://host:port")
	}
	config := &tls.Config{ServerName: u.Hostname(), RootCAs: opts.RootCAs, MinVersion: tls.VersionTLS12}
	port, policy, err := smtpTLS(u)
	if err != nil {
		return mailer{}, err
	}
	m := mailer{
		host:    u.Hostname(),
		address: net.JoinHostPort(u.Hostname(), strconv.Itoa(port)),
		dial:    new(net.Dialer).DialContext,
		from:    opts.SMTPFrom,
	}
	if u.Scheme == "smtps" {
		m.dial = (&tls.Dialer{Config: config}).DialContext
	}
	m.options = []gomail.Option{
		gomail.WithTimeout(time.Minute), // for each step of the conversation
		gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(config),
	}
	if u.User != nil {
		password, _ := u.User.Password()
		m.options = append(m.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	return m, nil
}

// smtpTLS returns the port, and whether STARTTLS is for granted.
func smtpTLS(u *url.URL) (port int, policy gomail.TLSPolicy, err error) {
	switch mode := u.Query().Get("tls"); {
	case u.Scheme == "smtps" && (mode == "" || mode == "required"):
		// The connection has TLS already, and go-mail looks whether it has only if it may: it would keep the
		// password to itself otherwise.
		port, policy = 465, gomail.TLSOpportunistic
	case u.Scheme == "smtp" && (mode == "" || mode == "required"):
		port, policy = 587, gomail.TLSMandatory
	case u.Scheme == "smtp" && mode == "opportunistic":
		port, policy = 25, gomail.TLSOpportunistic
	case u.Scheme == "smtp" && mode == "none":
		port, policy = 25, gomail.NoTLS
	default:
		return 0, 0, fmt.Errorf("smtp.url cannot have tls=%s with %s", mode, u.Scheme)
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return 0, 0, errors.New("smtp.url must have a port from 1 to 65535")
		}
	}
	return port, policy, nil
}

// send delivers one mail over a connection of its own. What the server refuses for good is not tried again.
func (m mailer) send(ctx context.Context, msg *gomail.Msg) error {
	conversation, end := context.WithCancel(ctx)
	defer end()
	dial := func(dialCtx context.Context, network, _ string) (net.Conn, error) {
		conn, err := m.dial(dialCtx, network, m.address)
		if err == nil {
			// go-mail minds the context only while it dials, and keeps some connections that it gives up open.
			context.AfterFunc(conversation, func() { _ = conn.Close() })
		}
		return conn, err
	}
	client, err := gomail.NewClient(m.host, append(slices.Clone(m.options), gomail.WithDialContextFunc(dial))...)
	if err != nil {
		return task.Permanent(err)
	}
	err = client.DialAndSendWithContext(conversation, msg)
	switch {
	case msg.IsDelivered(): // what went wrong after that is no reason to send it again
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case replyCode(err) >= 500:
		return task.Permanent(fmt.Errorf("mail refused: %w", err))
	default:
		return fmt.Errorf("mail not sent: %w", err)
	}
}

// replyCode returns the SMTP reply that err tells of, and 0 if it tells of something else.
func replyCode(err error) int {
	if e, ok := errors.AsType[*gomail.SendError](err); ok {
		return e.ErrorCode()
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return e.Code
	}
	return 0
}
