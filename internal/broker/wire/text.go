package wire

import (
	"strings"
	"unicode/utf8"
)

// maxText bounds a stored error or progress message, in bytes. Some errors quote whole documents.
const maxText = 8 << 10

// Storable returns a handler's text as it is stored: invalid UTF-8 is replaced, because asynq cannot decode a message that
// has it, and text above 8 KiB is cut at a character and ends in " …".
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
