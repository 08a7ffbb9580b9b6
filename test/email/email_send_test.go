package email_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

const shortMail = `{"to": ["grace@example.org"], "subject": "Hello", "text": "Hello, Grace."}`

// send runs email.send with a worker that uses the URL, whose HOST is the server's.
func send(ctx context.Context, t *testing.T, s *mailServer, smtpURL, payload string) (tasks.EmailSendOut, error) {
	t.Helper()
	h := newHandler(t, tasks.Options{
		SMTPURL:  strings.ReplaceAll(smtpURL, "HOST", s.addr),
		SMTPFrom: "Backbeat <backbeat@example.com>",
		RootCAs:  s.roots,
	})
	return run(start(ctx), t, h, payload)
}

func TestMailGoesThroughEveryKindOfServer(t *testing.T) {
	const login = "ada:hunter2@HOST"
	tests := []struct {
		name string
		kind serverKind
		url  string
		user string
		tls  bool
	}{
		{"no TLS", serverKind{}, "smtp://HOST?tls=none", "", false},
		{"no TLS though it is offered", serverKind{startTLS: true}, "smtp://HOST?tls=none", "", false},
		{"opportunistic without TLS", serverKind{}, "smtp://HOST?tls=opportunistic", "", false},
		{"opportunistic with TLS", serverKind{startTLS: true}, "smtp://HOST?tls=opportunistic", "", true},
		{"STARTTLS", serverKind{startTLS: true}, "smtp://HOST", "", true},
		{"STARTTLS, said outright", serverKind{startTLS: true}, "smtp://HOST?tls=required", "", true},
		{"STARTTLS with a login", serverKind{startTLS: true, auth: true}, "smtp://" + login, mailUser, true},
		{"TLS", serverKind{tls: true}, "smtps://HOST", "", true},
		{"TLS with a login", serverKind{tls: true, auth: true}, "smtps://" + login, mailUser, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startMailServer(t, tt.kind)
			if _, err := send(t.Context(), t, s, tt.url, shortMail); err != nil {
				t.Fatal(err)
			}
			got := s.received()
			if len(got) != 1 {
				t.Fatalf("%d mails", len(got))
			}
			want := receivedMail{"backbeat@example.com", []string{"grace@example.org"}, tt.user, tt.tls, got[0].Data}
			if diff := cmp.Diff(want, got[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMailIsWrittenAsAsked(t *testing.T) {
	s := startMailServer(t, serverKind{})
	out, err := send(t.Context(), t, s, "smtp://HOST?tls=none", `{
		"to": ["Grace Hopper <grace@example.org>", "alan@example.org"], "cc": ["cc@example.org"], "bcc": ["bcc@example.org"],
		"from": "Ada <ada@example.net>", "reply_to": "answers@example.net",
		"subject": "Grüße: done", "text": "plain ü\n.\nend", "html": "<p>rich ü</p>"}`)
	if err != nil {
		t.Fatal(err)
	}
	got := s.received()[0]
	if want := []string{"grace@example.org", "alan@example.org", "cc@example.org", "bcc@example.org"}; !cmp.Equal(want, got.To) || got.From != "ada@example.net" {
		t.Errorf("from %s to %q", got.From, got.To)
	}
	msg, err := mail.ReadMessage(strings.NewReader(got.Data))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"From":       `"Ada" <ada@example.net>`,
		"To":         `"Grace Hopper" <grace@example.org>, <alan@example.org>`,
		"Cc":         "<cc@example.org>",
		"Bcc":        "",
		"Reply-To":   "<answers@example.net>",
		"Message-Id": out.MessageID,
	} {
		if got := msg.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil || subject != "Grüße: done" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if _, err := msg.Header.Date(); err != nil {
		t.Errorf("date: %v", err)
	}
	want := [][2]string{{"text/plain", "plain ü\r\n.\r\nend"}, {"text/html", "<p>rich ü</p>"}}
	if diff := cmp.Diff(want, parts(t, msg)); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

// parts returns the media types and texts of the alternatives of a mail.
func parts(t *testing.T, msg *mail.Message) (all [][2]string) {
	t.Helper()
	media, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || media != "multipart/alternative" {
		t.Fatalf("%s, %v", media, err)
	}
	r := multipart.NewReader(msg.Body, params["boundary"])
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		media, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, [2]string{media, strings.TrimRight(string(text), "\r\n")})
	}
}

func TestMailOfOneKind(t *testing.T) {
	for field, want := range map[string]string{"text": "text/plain", "html": "text/html"} {
		s := startMailServer(t, serverKind{})
		if _, err := send(t.Context(), t, s, "smtp://HOST?tls=none", `{"to": ["a@example.org"], "subject": "", "`+field+`": "<p>"}`); err != nil {
			t.Fatal(err)
		}
		msg, err := mail.ReadMessage(strings.NewReader(s.received()[0].Data))
		if err != nil {
			t.Fatal(err)
		}
		if media, _, err := mime.ParseMediaType(msg.Header.Get("Content-Type")); err != nil || media != want {
			t.Errorf("%s is sent as %q, %v", field, media, err)
		}
	}
}

// A receiver that gets a mail a second time, because its worker died in between, can tell by its id.
func TestMessageIDIsTheTasksOwn(t *testing.T) {
	s := startMailServer(t, serverKind{})
	h := newHandler(t, tasks.Options{SMTPURL: "smtp://" + s.addr + "?tls=none", SMTPFrom: "backbeat@example.com"})
	created := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	id := func(info task.RunInfo, payload string) string {
		out, err := run(task.NewContext(t.Context(), info, func(task.Report) {}), t, h, payload)
		if err != nil {
			t.Fatal(err)
		}
		return out.MessageID
	}
	first := id(task.RunInfo{ID: "s@1:2", Attempt: 1, CreatedAt: created}, shortMail)
	if again := id(task.RunInfo{ID: "s@1:2", Attempt: 2, CreatedAt: created}, shortMail); again != first {
		t.Errorf("the second attempt sends %s, the first %s", again, first)
	}
	if local, domain, ok := strings.Cut(strings.Trim(first, "<>"), "@"); !ok || domain != "example.com" || strings.ContainsAny(local, "@:<> ") {
		t.Errorf("%s is no message id of example.com", first)
	}
	for name, other := range map[string]string{
		"another task":                  id(task.RunInfo{ID: "s@12", Attempt: 1, CreatedAt: created}, shortMail),
		"a later task of the same name": id(task.RunInfo{ID: "s@1:2", Attempt: 1, CreatedAt: created.Add(time.Hour)}, shortMail),
	} {
		if other == first {
			t.Errorf("%s sends %s too", name, other)
		}
	}
}

func TestWhatTheServerRefuses(t *testing.T) {
	reply := func(code int) error { return &smtp.SMTPError{Code: code, Message: "says the server"} }
	hangUp := errors.New("hang up")
	tests := []struct {
		name                   string
		onMail, onRcpt, onData error
		want                   task.ErrorKind
	}{
		{"sender, for good", reply(550), nil, nil, task.KindPermanent},
		{"sender, for now", reply(451), nil, nil, task.KindError},
		{"recipient, for good", nil, reply(550), nil, task.KindPermanent},
		{"recipient, for now", nil, reply(450), nil, task.KindError},
		{"mail, for good", nil, nil, reply(554), task.KindPermanent},
		{"mail, for now", nil, nil, reply(452), task.KindError},
		{"hangs up at the sender", hangUp, nil, nil, task.KindError},
		{"hangs up at the recipient", nil, hangUp, nil, task.KindError},
		{"hangs up at the mail", nil, nil, hangUp, task.KindError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startMailServer(t, serverKind{startTLS: true, auth: true})
			s.onMail, s.onRcpt, s.onData = tt.onMail, tt.onRcpt, tt.onData
			_, err := send(t.Context(), t, s, "smtp://ada:hunter2@HOST", shortMail)
			checkFailure(t, err, tt.want)
			if !strings.Contains(tt.name, "hangs up") && !strings.Contains(err.Error(), "says the server") {
				t.Errorf("%v does not tell what the server says", err)
			}
			if strings.Contains(err.Error(), mailPassword) || len(s.received()) != 0 {
				t.Errorf("%v, %d mails", err, len(s.received()))
			}
		})
	}
}

func TestAWrongPasswordIsNotTriedAgain(t *testing.T) {
	s := startMailServer(t, serverKind{tls: true, auth: true})
	_, err := send(t.Context(), t, s, "smtps://ada:secret-%2Fword@HOST", shortMail)
	checkFailure(t, err, task.KindPermanent, "Invalid credentials")
	if strings.Contains(err.Error(), "secret-") {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"ada:secret-/word"}, s.loginsSeen()); diff != "" {
		t.Errorf("logins (-want +got):\n%s", diff)
	}
}

func TestNothingIsSentWithoutTheTLSThatIsRequired(t *testing.T) {
	s := startMailServer(t, serverKind{})
	_, err := send(t.Context(), t, s, "smtp://HOST", shortMail)
	checkFailure(t, err, task.KindError, "STARTTLS")
	if len(s.received()) != 0 {
		t.Errorf("mails %v", s.received())
	}
}

func TestPasswordsAreNotSentInTheClear(t *testing.T) {
	for name, tt := range map[string]struct {
		kind serverKind
		url  string
	}{
		"required, not offered":         {serverKind{auth: true}, "smtp://ada:hunter2@HOST"},
		"opportunistic and not offered": {serverKind{auth: true}, "smtp://ada:hunter2@HOST?tls=opportunistic"},
		"none":                          {serverKind{auth: true}, "smtp://ada:hunter2@HOST?tls=none"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startMailServer(t, tt.kind)
			_, err := send(t.Context(), t, s, tt.url, shortMail)
			checkFailure(t, err, task.KindError)
			if seen := s.loginsSeen(); len(seen) != 0 || len(s.received()) != 0 || strings.Contains(err.Error(), mailPassword) {
				t.Errorf("%v; logins %q, mails %v", err, seen, s.received())
			}
		})
	}
}

func TestUnknownCertificatesAreNotTrusted(t *testing.T) {
	for url, kind := range map[string]serverKind{
		"smtps://ada:hunter2@HOST":                  {tls: true, auth: true},
		"smtp://ada:hunter2@HOST":                   {startTLS: true, auth: true},
		"smtp://ada:hunter2@HOST?tls=opportunistic": {startTLS: true, auth: true},
	} {
		t.Run(url, func(t *testing.T) {
			s := startMailServer(t, kind)
			s.roots = nil
			_, err := send(t.Context(), t, s, url, shortMail)
			checkFailure(t, err, task.KindError, "certificate")
			if seen := s.loginsSeen(); len(seen) != 0 || len(s.received()) != 0 {
				t.Errorf("logins %q, mails %v", seen, s.received())
			}
		})
	}
}

func TestAMailThatIsTakenIsSentWhateverComesNext(t *testing.T) {
	s := startMailServer(t, serverKind{startTLS: true})
	s.hangUp = true
	if _, err := send(t.Context(), t, s, "smtp://HOST", shortMail); err != nil || len(s.received()) != 1 {
		t.Errorf("%v, %d mails", err, len(s.received()))
	}
}

func TestAServerThatIsAwayIsTriedAgain(t *testing.T) {
	s := startMailServer(t, serverKind{})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s.addr = l.Addr().String()
	_, err = send(t.Context(), t, s, "smtp://ada:hunter2@HOST", shortMail)
	checkFailure(t, err, task.KindError, s.addr)
	if strings.Contains(err.Error(), mailPassword) {
		t.Error(err)
	}
}

func TestSendingEndsWithItsContext(t *testing.T) {
	for url, kind := range map[string]serverKind{
		"smtp://HOST?tls=none": {}, "smtp://HOST": {startTLS: true}, "smtps://HOST": {tls: true},
	} {
		t.Run(url, func(t *testing.T) {
			s := startMailServer(t, kind)
			s.arrived, s.proceed = make(chan struct{}), make(chan struct{})
			defer close(s.proceed)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-s.arrived
				cancel()
			}()
			if _, err := send(ctx, t, s, url, shortMail); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: %v", err)
			}
		})
	}
}

func TestSendingEndsAtItsDeadline(t *testing.T) {
	s := startMailServer(t, serverKind{})
	s.arrived, s.proceed = make(chan struct{}, 1), make(chan struct{})
	defer close(s.proceed)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := send(ctx, t, s, "smtp://HOST?tls=none", shortMail)
	if err == nil || task.FailureOf(ctx, err).Kind != task.KindTimeout {
		t.Errorf("got %v", err)
	}
}
