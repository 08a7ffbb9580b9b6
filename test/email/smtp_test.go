package email_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailServer is an SMTP server that keeps what it is sent.
type mailServer struct {
	t     *testing.T
	addr  string
	roots *x509.CertPool // of its certificate

	// What it answers, if it is to refuse: an *smtp.SMTPError, or anything else to hang up.
	onMail, onRcpt, onData error
	// arrived gets a word when a MAIL command comes, whose answer then waits for proceed. Nil: no waiting.
	arrived, proceed chan struct{}
	// hangUp makes it go, without a word, once it has taken a mail.
	hangUp bool

	mu     sync.Mutex
	mails  []receivedMail
	logins []string
}

type receivedMail struct {
	From string
	To   []string
	User string
	TLS  bool
	Data string
}

type serverKind struct{ tls, startTLS, auth bool }

const mailUser, mailPassword = "ada", "hunter2"

func startMailServer(t *testing.T, kind serverKind) *mailServer {
	t.Helper()
	certified := httptest.NewTLSServer(nil) // has a certificate for 127.0.0.1 at hand
	certified.Close()
	s := &mailServer{t: t, roots: x509.NewCertPool()}
	s.roots.AddCert(certified.Certificate())

	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		session := &mailSession{server: s, conn: c}
		if kind.auth {
			return &authSession{session}, nil
		}
		return session, nil
	}))
	server.Domain = "mail.test"
	server.AllowInsecureAuth = true // so that it is the client that keeps the password to itself
	server.EnableSMTPUTF8 = true
	server.ErrorLog = log.New(io.Discard, "", 0)
	if kind.startTLS || kind.tls {
		server.TLSConfig = certified.TLS
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	if kind.tls {
		listener = tls.NewListener(listener, certified.TLS)
	}
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		listener.Close() // which the server does not know yet if the test was quick
		<-done
	})
	return s
}

func (s *mailServer) received() []receivedMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

func (s *mailServer) loginsSeen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
	user   string
	mail   receivedMail
	taken  bool
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.arrived != nil {
		s.server.arrived <- struct{}{}
		<-s.server.proceed
	}
	_, isTLS := s.conn.TLSConnectionState()
	s.mail = receivedMail{From: from, User: s.user, TLS: isTLS}
	return s.refuse(s.server.onMail)
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = append(s.mail.To, to)
	return s.refuse(s.server.onRcpt)
}

func (s *mailSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.onData != nil {
		return s.refuse(s.server.onData)
	}
	s.mail.Data = string(data)
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, s.mail)
	s.server.mu.Unlock()
	s.taken = true
	return nil
}

func (s *mailSession) refuse(err error) error {
	if _, ok := errors.AsType[*smtp.SMTPError](err); err != nil && !ok {
		s.conn.Conn().Close()
	}
	return err
}

// Reset comes after the answer to a mail.
func (s *mailSession) Reset() {
	if s.taken && s.server.hangUp {
		s.conn.Conn().Close()
	}
}

func (s *mailSession) Logout() error { return nil }

// authSession wants a login.
type authSession struct{ *mailSession }

func (s *authSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *authSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		s.server.mu.Lock()
		s.server.logins = append(s.server.logins, username+":"+password)
		s.server.mu.Unlock()
		if username != mailUser || password != mailPassword {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Invalid credentials"}
		}
		s.user = username
		return nil
	}), nil
}
