package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// MarkList is the remarks somebody made about a recording, by the moment they
// are about.
type MarkList struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"` // MarkList
	Recording  Recording    `json:"recording"`
	Items      []store.Mark `json:"items"`
}

// NewMarkList puts marks into their envelope.
func NewMarkList(info store.Info, marks []store.Mark) MarkList {
	return MarkList{APIVersion: APIVersion, Kind: "MarkList", Recording: RecordingOf(info), Items: marksBetween(marks, time.Time{}, time.Unix(1<<40, 0))}
}

// marksBetween returns those from one moment up to another, not including it,
// in the order of the moments they are about.
func marksBetween(marks []store.Mark, from, to time.Time) []store.Mark {
	found := []store.Mark{}
	for _, m := range marks {
		if !m.Time.Before(from) && m.Time.Before(to) {
			m.Time, m.Written = m.Time.UTC(), m.Written.UTC()
			found = append(found, m)
		}
	}
	slices.SortStableFunc(found, func(a, b store.Mark) int { return a.Time.Compare(b.Time) })
	return found
}

// MarkListText prints a line for each mark.
func MarkListText(w io.Writer, l MarkList, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: l.Recording.End}
	rows := [][]string{{"TIME", "AUTHOR", "WRITTEN", "TEXT"}}
	for _, m := range l.Items {
		rows = append(rows, []string{when.Format(m.Time), Clean(m.Author), when.Format(m.Written.Truncate(time.Second)), Clean(m.Text)})
	}
	if len(l.Items) == 0 {
		p.line("no marks")
		return p.w.Flush()
	}
	if o.NoHeaders {
		rows = rows[1:]
	}
	p.table(rows)
	return p.w.Flush()
}

// MarkOrigin says what is known of who made a mark and when: by whose key it is
// signed, or that it was written after the recording was sealed. It is "" for an
// unsigned mark that says that it is older; nothing proves that.
func MarkOrigin(m *store.Mark, sha256 string, end time.Time) string {
	switch signer, err := m.Signer(sha256); {
	case err != nil:
		return err.Error()
	case signer != nil:
		return fmt.Sprintf("signed by %x…", signer[:8])
	case sha256 != "" && m.Written.After(end):
		return "marked after sealing, not signed"
	}
	return ""
}

// MarkBy is the author of a mark and its origin, for a person; "" if nothing is
// known of either.
func MarkBy(m *store.Mark, sha256 string, end time.Time) string {
	return markBy(m, MarkOrigin(m, sha256, end))
}

func markBy(m *store.Mark, origin string) string {
	return strings.Join(slices.DeleteFunc([]string{Clean(m.Author), origin}, func(s string) bool { return s == "" }), "; ")
}

// remark is one mark in words, with its author and origin.
func (p *printer) remark(m *store.Mark, origin string) string {
	by := markBy(m, origin)
	if by != "" {
		by = " (" + by + ")"
	}
	return p.paint(bold, "mark: "+Clean(strings.TrimSpace(m.Text))) + by
}

// MarkText prints a mark on a line among events.
func MarkText(w io.Writer, m store.Mark, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: m.Time}
	zone := o.Zone
	if zone == nil {
		zone = time.UTC
	}
	p.line("        %s %-8s %s", m.Time.In(zone).Format("2006-01-02T15:04:05.000"), "MARK", p.remark(&m, ""))
	return p.w.Flush()
}

// EventOfMark shows a mark among events. It has no position: it is not part of
// what was heard.
func EventOfMark(m store.Mark) Event {
	return Event{Time: m.Time.UTC(), Type: "MARK", Text: m.Text, Author: m.Author}
}
