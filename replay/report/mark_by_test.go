package report

import (
	"testing"
	"time"

	"github.com/svcspy/svcspy/store"
)

// TestMarkBy: what is known of a mark's origin stands beside its author, wherever a
// mark is shown.
func TestMarkBy(t *testing.T) {
	end := time.Date(2026, 11, 24, 14, 2, 0, 0, time.UTC)
	for _, c := range []struct {
		author, digest string
		written        time.Duration // after the end
		want           string
	}{
		{"alice", "abc", time.Hour, "alice; marked after sealing, not signed"},
		{"", "abc", time.Hour, "marked after sealing, not signed"},
		{"alice", "abc", -time.Hour, "alice"}, // nothing proves that it is older, and nothing else
		{"al\x1bice", "", time.Hour, Clean("al\x1bice")},
		{"", "", time.Hour, ""},
	} {
		m := store.Mark{Author: c.author, Written: end.Add(c.written)}
		if got := MarkBy(&m, c.digest, end); got != c.want {
			t.Errorf("%q, sealed as %q, written %v after the end: %q, want %q", c.author, c.digest, c.written, got, c.want)
		}
	}
}
