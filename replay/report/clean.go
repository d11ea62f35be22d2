package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a string from the cluster safe to print on a terminal: control
// characters, escape sequences, invalid UTF-8 and characters that reorder text
// are shown as \x1b, \n or \u202e. Names and messages are written by whoever
// may create an object, so nothing of theirs may move the cursor.
func Clean(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, hostile) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case !hostile(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// hostile reports characters that a terminal may act on: C0 and C1 controls,
// format characters (Unicode Cf: bidirectional overrides, zero width) and line
// separators.
func hostile(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
