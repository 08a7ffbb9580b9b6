package tasks_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

const shortMail = `{"to": ["grace@example.org"], "subject": "Hello", "text": "Hello, Grace."}`

// How mail is sent is tested in test/email, with a server.

func TestMailNeedsAServerAndASender(t *testing.T) {
	_, err := run[tasks.EmailSendOut](start(t.Context()), t, newSet(t, tasks.Options{}), "email.send", shortMail)
	checkFailure(t, err, task.KindPermanent, "smtp.url", "BACKBEAT_SMTP_URL")
	set := newSet(t, tasks.Options{SMTPURL: "smtp://127.0.0.1:1"})
	_, err = run[tasks.EmailSendOut](start(t.Context()), t, set, "email.send", shortMail)
	checkFailure(t, err, task.KindPermanent, "smtp.from", "BACKBEAT_SMTP_FROM")
}

func TestMailServersThatCannotBe(t *testing.T) {
	for _, smtpURL := range []string{
		"ada:hunter2@example.com", "http://ada:hunter2@example.com", "smtp://", "smtp://ada:hunter2@", "smtp://ada:hunter2@example.com:0",
		"smtp://ada:hunter2@example.com:65536", "smtp://ada:hunter2@exa mple.com", "smtp://ada:hunter2%zz@example.com",
		"smtp://ada:hunter2@example.com?tls=perhaps", "smtps://ada:hunter2@example.com?tls=none", "smtps://ada:hunter2@example.com?tls=opportunistic",
	} {
		_, err := tasks.New(tasks.Options{SMTPURL: smtpURL})
		if err == nil || !strings.Contains(err.Error(), "smtp.url") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", smtpURL, err)
		}
	}
}

func TestMailPayloads(t *testing.T) {
	const noAddress = "is not a mail address"
	const rest = `"subject": "a", "text": "b"}`
	tests := map[string][]string{
		`{}`:                                    {"payload.subject: is required", "payload.to: is required"},
		`{"to": [], ` + rest:                    {"payload.to: expected array length >= 1"},
		`{"to": null, ` + rest:                  {"payload.to: expected array"},
		`{"to": "a@b.org", ` + rest:             {"payload.to: expected array"},
		`{"to": ["a@b.org", "nobody"], ` + rest: {"payload.to[1]: " + noAddress},
		`{"to": ["a@b.org, c@d.org"], ` + rest:  {"payload.to[0]: " + noAddress},
		`{"to": [""], ` + rest:                  {"payload.to[0]: " + noAddress},
		`{"to": ["a@b.org"], "cc": ["x"], "bcc": ["c@d.org", "y"], "from": "z", "reply_to": "w", ` + rest: {
			"payload.cc[0]: " + noAddress, "payload.bcc[1]: " + noAddress, "payload.from: " + noAddress, "payload.reply_to: " + noAddress,
		},
		`{"to": ["a@b.org\r\nBcc: c@d.org"], ` + rest:                      {"payload.to[0]: " + noAddress},
		`{"to": ["\"A\r\n B\" <a@b.org>"], ` + rest:                        {"payload.to[0]: " + noAddress},
		`{"to": ["a@b.org"], "from": "A\nB <a@b.org>", ` + rest:            {"payload.from: " + noAddress},
		`{"to": ["a@b.org"], "subject": "a\r\nBcc: c@d.org", "text": "b"}`: {"payload.subject: must be one line, without control characters"},
		`{"to": ["a@b.org"], "subject": "a"}`:                              {"payload.text: text or html is required"},
		`{"to": ["a@b.org"], "subject": "a", "text": "", "html": ""}`:      {"payload.text: text or html is required"},
		`{"to": ["a@b.org"], "attachments": [], ` + rest:                   {"payload.attachments: unexpected property"},
	}
	for payload, want := range tests {
		if diff := cmp.Diff(want, validationErrorsOf(t, "email.send", payload)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", payload, diff)
		}
	}
	whole := `{"to": ["\"Hopper, Grace\" <grace@example.org>", "grüße@example.org"], "subject": "a", "html": "b", "from": "a@b", "cc": [], "reply_to": ""}`
	if faults := validationErrorsOf(t, "email.send", whole); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
}
