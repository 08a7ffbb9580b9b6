package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/backbeat-go/backbeat/task"
)

// EmailSend sends an email.
var EmailSend = define("email.send", (*deps).emailSend,
	task.Describe("Sends a mail through the server of smtp.url."),
	// A mail server may be unavailable for longer than the default retries take.
	task.MaxRetries(10))

// EmailSendIn is the email to send.
type EmailSendIn struct {
	To      []string `json:"to" minItems:"1" maxItems:"100" nullable:"false" doc:"The recipients." example:"[\"ada@example.com\"]"`
	Subject string   `json:"subject" maxLength:"998"`
	Text    string   `json:"text,omitempty" doc:"The body as plain text. At least one of text and html is required."`
	HTML    string   `json:"html,omitempty" doc:"The body as HTML."`
	From    string   `json:"from,omitempty" doc:"Default: smtp.from." example:"Backbeat <backbeat@example.com>"`
	CC      []string `json:"cc,omitempty" maxItems:"100"`
	BCC     []string `json:"bcc,omitempty" maxItems:"100"`
	ReplyTo string   `json:"reply_to,omitempty"`
}

// EmailSendOut is the message ID of the sent email.
type EmailSendOut struct {
	MessageID string `json:"message_id"`
}

// Validate checks the rules that a JSON Schema cannot express.
func (in EmailSendIn) Validate() (found []task.ValidationError) {
	lists := []struct {
		location  string
		addresses []string
	}{{"to", in.To}, {"cc", in.CC}, {"bcc", in.BCC}}
	for _, l := range lists {
		for i, address := range l.addresses {
			found = append(found, checkAddress(fmt.Sprintf("%s[%d]", l.location, i), address)...)
		}
	}
	if in.From != "" {
		found = append(found, checkAddress("from", in.From)...)
	}
	if in.ReplyTo != "" {
		found = append(found, checkAddress("reply_to", in.ReplyTo)...)
	}
	if in.Text == "" && in.HTML == "" {
		found = append(found, task.ValidationError{Location: "text", Message: "text or html is required"})
	}
	if strings.ContainsFunc(in.Subject, unicode.IsControl) {
		found = append(found, task.ValidationError{Location: "subject", Message: "must be one line, without control characters"})
	}
	return found
}

func checkAddress(location, address string) []task.ValidationError {
	if _, err := mail.ParseAddress(address); err != nil {
		return []task.ValidationError{{Location: location, Message: "is not a mail address"}}
	}
	return nil
}

func (d *deps) emailSend(ctx context.Context, in EmailSendIn) (EmailSendOut, error) {
	if d.mail.host == "" {
		return EmailSendOut{}, task.Permanent(errors.New("no mail server is configured: set smtp.url (BACKBEAT_SMTP_URL) on the workers"))
	}
	if in.From == "" {
		in.From = d.mail.from
	}
	if in.From == "" {
		return EmailSendOut{}, task.Permanent(errors.New("no sender: set from in the payload, or smtp.from (BACKBEAT_SMTP_FROM) on the workers"))
	}
	msg, err := newMail(in, task.Info(ctx))
	if err != nil {
		return EmailSendOut{}, task.Permanent(err)
	}
	if err := d.mail.send(ctx, msg); err != nil {
		return EmailSendOut{}, err
	}
	return EmailSendOut{msg.GetMessageID()}, nil
}

func newMail(in EmailSendIn, info task.RunInfo) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	errs := []error{msg.From(in.From), msg.To(in.To...), msg.Cc(in.CC...), msg.Bcc(in.BCC...)}
	if in.ReplyTo != "" {
		errs = append(errs, msg.ReplyTo(in.ReplyTo))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	msg.SetMessageIDWithValue(messageID(info, msg.GetFrom()[0].Address))
	msg.SetDate()
	msg.Subject(in.Subject)
	switch {
	case in.Text == "":
		msg.SetBodyString(gomail.TypeTextHTML, in.HTML)
	case in.HTML == "":
		msg.SetBodyString(gomail.TypeTextPlain, in.Text)
	default:
		msg.SetBodyString(gomail.TypeTextPlain, in.Text)
		msg.AddAlternativeString(gomail.TypeTextHTML, in.HTML)
	}
	return msg, nil
}

// messageID returns the same ID for all attempts of a task, so that mail programs can recognize a duplicate, which is sent
// if a worker dies just after sending. It is a hash because task IDs may contain characters that message IDs must not. It
// includes the creation time because a task ID can be reused after the first task is deleted.
func messageID(info task.RunInfo, from string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", info.ID, info.CreatedAt.UnixMilli()))
	return hex.EncodeToString(sum[:16]) + from[strings.LastIndex(from, "@"):]
}
