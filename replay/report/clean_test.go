package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"web", "web"},
		{"Grüße, 世界 ✔", "Grüße, 世界 ✔"},
		{"\x1b[2J\x1b]0;owned\x07", `\x1b[2J\x1b]0;owned\x07`},
		{"two\nlines\r\tand a tab", `two\nlines\r\tand a tab`},
		{"\u009b31mC1", `\x9b31mC1`},
		{"abc\u202edef", `abc\u202edef`},
		{"zero\u200bwidth", `zero\u200bwidth`},
		{"line\u2028sep", `line\u2028sep`},
		{"bad\xffutf8", `bad\xffutf8`},
		{"honest \uFFFD", "honest \uFFFD"},
		{"", ""},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, Clean(tt.in)); diff != "" {
			t.Errorf("Clean(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31m")
	f.Add("bad\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) {
			t.Errorf("Clean(%q) = %q is not UTF-8", s, got)
		}
		if i := strings.IndexFunc(got, hostile); i >= 0 {
			t.Errorf("Clean(%q) = %q keeps a control character at %d", s, got, i)
		}
	})
}
