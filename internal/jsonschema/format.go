package jsonschema

import (
	"errors"
	"net/url"
	"strings"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// strictFormats are those of which the validator checks less than their RFCs ask for: it takes blanks in URIs.
var strictFormats = []jsonschema.Format{
	{Name: "uri", Validate: absolute},
	{Name: "iri", Validate: absolute},
	{Name: "uri-reference", Validate: reference},
	{Name: "iri-reference", Validate: reference},
	{Name: "email", Validate: mailAddress},
	{Name: "idn-email", Validate: mailAddress},
}

// errFormat is any error: nobody sees its text.
var errFormat = errors.New("not of the format")

func absolute(v any) error {
	return checkURI(v, (*url.URL).IsAbs)
}

func reference(v any) error {
	return checkURI(v, func(*url.URL) bool { return true })
}

func checkURI(v any, fits func(*url.URL) bool) error {
	text, ok := v.(string)
	if !ok {
		return nil
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return errFormat
	}
	if u, err := url.Parse(text); err != nil || !fits(u) {
		return errFormat
	}
	return nil
}

// mailAddress takes an address as mail programs do, without a name and without brackets.
func mailAddress(v any) error {
	text, ok := v.(string)
	if !ok {
		return nil
	}
	local, domain, _ := strings.Cut(text, "@")
	if local == "" || domain == "" || strings.ContainsFunc(text, unicode.IsSpace) || strings.ContainsAny(text, "<>") || strings.Contains(domain, "@") {
		return errFormat
	}
	return nil
}
