package wire

import (
	"strings"
	"unicode/utf8"
)

// maxText bounds what is stored of an error or of a progress message, in bytes. Some errors quote whole documents.
const maxText = 8 << 10

// storable returns a text of a handler's as it is stored: UTF-8, for asynq reads no message that holds anything else, and
// of maxText at most, cut at a character.
func Storable(s string) string {
	const more = " …"
	cut := len(s) > maxText
	if cut {
		s = s[:min(len(s), maxText+utf8.UTFMax)] // a character that this cuts begins beyond maxText
	}
	s = validUTF8(s) // which may make it longer
	if !cut && len(s) <= maxText {
		return s
	}
	end := min(len(s), maxText)
	for end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}

func validUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
