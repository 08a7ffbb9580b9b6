package tasks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/backbeat-go/backbeat/internal/task"
)

// mailer delivers mails to a server. The zero mailer knows none.
type mailer struct {
	host    string
	options []gomail.Option
	from    string
}

// newMailer reads smtp://user:password@host:587, which means STARTTLS, or smtps://host:465. ?tls=opportunistic or
// none take what the server offers, or nothing.
func newMailer(rawURL, from string) (mailer, error) {
	if rawURL == "" {
		return mailer{from: from}, nil
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return mailer{}, errors.New("smtp.url must be smtp://host:port or smtps://host:port")
	}
	opts := []gomail.Option{
		gomail.WithTimeout(30 * time.Second),
		gomail.WithTLSConfig(&tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}),
	}
	port := 587
	switch mode := u.Query().Get("tls"); {
	case u.Scheme == "smtps":
		port = 465
		opts = append(opts, gomail.WithSSL())
	case mode == "none":
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	case mode == "opportunistic":
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return mailer{}, errors.New("smtp.url has a port that is no number")
		}
	}
	opts = append(opts, gomail.WithPort(port))
	if password, ok := u.User.Password(); ok {
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	return mailer{host: u.Hostname(), options: opts, from: from}, nil
}

// send delivers one mail over a connection of its own. What the server refuses for good is not tried again.
func (m mailer) send(ctx context.Context, msg *gomail.Msg) error {
	client, err := gomail.NewClient(m.host, m.options...)
	if err != nil {
		return task.Permanent(err)
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if refused, ok := errors.AsType[*gomail.SendError](err); ok && refused.ErrorCode() >= 500 {
		return task.Permanent(fmt.Errorf("mail refused: %w", err))
	}
	return err
}
