package postmortem

import (
	"cmp"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// rows is the timeline: every change of verdict, what explains it, what was
// lost, every intended change to what the subject depended on, gaps and marks.
// Where there are too many, changes that explain nothing are left out first.
func (s *documentBuilder) rows() ([]Row, int) {
	rows := s.frame()
	said := map[store.Seq]bool{}
	explain := func(c *change.Change) {
		if !said[c.Seq] {
			said[c.Seq] = true
			rows = append(rows, changeRow(c))
		}
	}
	outages := s.others
	if s.outage != nil {
		outages = append([]*story.Explanation{s.outage}, outages...)
	}
	for _, x := range outages {
		for i := range x.Worst.Changes {
			explain(&x.Worst.Changes[i])
		}
		if x.Recovery != nil {
			for i := range x.Recovery.Changes {
				explain(&x.Recovery.Changes[i])
			}
		}
		rows = append(rows, s.lossRows(x.Worst.Lost)...)
	}
	for i := range s.segments {
		if i == 0 || !alike(&s.segments[i-1], &s.segments[i]) {
			rows = append(rows, s.verdictRow(i))
		}
	}
	for i := range s.changes {
		if tells(&s.changes[i]) {
			explain(&s.changes[i])
		}
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool { return r.Time.Before(s.window.From) || r.Time.After(s.window.To) })
	more := max(0, len(rows)-maxRows)
	if more > 0 {
		slices.SortStableFunc(rows, func(a, b Row) int { return weight(&b) - weight(&a) })
		rows = rows[:maxRows]
	}
	rows = append(rows, s.pastRows()...)
	slices.SortStableFunc(rows, func(a, b Row) int {
		if a.Kind == "verdict" && b.Kind == "recording" && b.Seq <= 1 || b.Kind == "verdict" && a.Kind == "recording" && a.Seq <= 1 {
			return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(order(&a), order(&b))) // the first verdict may have no position yet
		}
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq), cmp.Compare(order(&a), order(&b)))
	})
	return rows, more
}

// frame is the rows that do not come from the subject: where the recording
// begins and ends, gaps, marks.
func (s *documentBuilder) frame() []Row {
	rows := []Row{
		{Time: s.info.Start.UTC(), Seq: max(s.info.First, 1), Kind: "recording", What: "The recording began."},
		{Time: s.info.End.UTC(), Seq: s.info.Last, Kind: "recording", What: "The recording ended."},
	}
	if !s.info.Closed {
		rows[1].What = "The recording ended: its recorder was interrupted, or still writes it."
	}
	for _, g := range s.covered.Gaps {
		what := fmt.Sprintf("The recorder did not hear of %s until %s (%s)", words(g.Resources, 3), g.To.Format("15:04:05Z"), report.Clean(g.Reason))
		if g.Lost {
			what += ": what happened to them may be missing."
		} else {
			what += "; nothing was lost."
		}
		rows = append(rows, Row{Time: g.From, Seq: g.Seq, Kind: "gap", What: what})
	}
	for _, m := range s.marks {
		rows = append(rows, Row{Time: m.Time.UTC(), Kind: "mark", What: "Marked: " + s.remark(&m)})
	}
	return rows
}

// alike reports whether only what was being listened to tells two segments
// apart: the gaps have rows of their own.
func alike(a, b *verdict.Segment) bool {
	v, w := &a.Report, &b.Report
	return v.Verdict.State == w.Verdict.State && v.Verdict.Intent == w.Verdict.Intent && v.Headline.ID == w.Headline.ID && named(v.Headline.Subject) == named(w.Headline.Subject)
}

// pastRows tell what happened before the recording, as far as objects still
// carried it when that began.
func (s *documentBuilder) pastRows() []Row {
	if s.prelude == nil {
		return nil
	}
	var rows []Row
	for i := range s.prelude.Facts {
		f := &s.prelude.Facts[i]
		r := Row{Time: f.Time.UTC(), Seq: f.Seq, Kind: "past", What: "Reconstructed, not observed: " + report.Clean(f.String()) + ".", Object: f.Subject, Link: string(f.Link)}
		if f.Writer != nil {
			r.Manager = report.Clean(f.Writer.Manager)
		}
		rows = append(rows, r)
	}
	return rows
}

func (s *documentBuilder) verdictRow(i int) Row {
	g := &s.segments[i]
	r := &g.Report
	state := string(r.Verdict.State)
	if r.Verdict.Intent != "" {
		state += " (" + r.Verdict.Intent + ")"
	}
	verb := "became"
	if i == 0 {
		verb = "was"
	}
	what := fmt.Sprintf("The verdict %s %s", verb, state)
	if r.Headline.ID != "" {
		what += ": " + report.Clean(r.Headline.ID)
	}
	what += "; it had " + endpoints(r)
	if g.Gap != "" {
		what += "; the recorder was not listening to all of it"
	}
	return Row{Time: g.ShownAt().UTC(), Seq: g.Event, Kind: "verdict", State: r.Verdict.State, What: what + ".", Object: r.Subject}
}

// tells reports whether a change that explains nothing tells a reader anything:
// that an object was made by nobody known, or that its end was put off, does not.
func tells(c *change.Change) bool {
	if c.Verb == change.Created {
		return c.Writer != nil
	}
	return c.Verb != change.Updated || slices.ContainsFunc(c.AllFields, func(f change.Field) bool { return f.Path != "/metadata/deletionTimestamp" })
}

// lossRows tell how endpoints were lost, those of one class in one row.
func (s *documentBuilder) lossRows(lost []cause.Loss) []Row {
	var rows []Row
	for i := 0; i < len(lost); {
		l := &lost[i]
		var pods []string
		for ; i < len(lost) && lost[i].Class == l.Class && lost[i].Note == l.Note; i++ {
			pods = append(pods, lost[i].Pod)
		}
		verb := "endpoints were lost"
		if len(pods) == 1 {
			verb = "endpoint was lost"
		}
		what := fmt.Sprintf("%d %s by %s", len(pods), verb, report.LossWords(l.Class))
		if l.Note != "" {
			what += " (" + report.Clean(l.Note) + ")"
		}
		rows = append(rows, Row{Time: l.At.UTC(), Seq: l.Seq, Kind: "loss", What: what + ": " + words(pods, 3) + ".", Object: s.about})
	}
	return rows
}

func changeRow(c *change.Change) Row {
	r := Row{
		Time: c.ObservedAt.UTC(), Earliest: c.Earliest, Seq: c.Seq, Kind: "change", Object: c.Subject, Link: string(c.Link),
		What: sentence(happened(c)) + ".",
	}
	if c.Writer != nil {
		r.Manager = report.Clean(c.Writer.Manager)
	}
	if c.Requester != nil {
		r.Manager = report.Clean(c.Requester.String())
	}
	return r
}

// happened says what a change did, in the past tense and without its object.
func happened(c *change.Change) string {
	switch c.Verb {
	case change.Created:
		return "it was created"
	case change.Deleted:
		return "it was deleted"
	case change.Deleting:
		return "its deletion was requested"
	}
	what := report.Clean(c.Path)
	switch {
	case c.Old == nil:
		what += " was added: " + report.Value(c.New)
	case c.New == nil:
		what += " was removed: " + report.Value(c.Old)
	default:
		what += " was changed from " + report.Value(c.Old) + " to " + report.Value(c.New)
	}
	if n := c.Others(); n > 0 {
		what += ", and " + phrase.Quantity(n, "more field")
	}
	return what
}

// deed says a change with its object and the tool that made it.
func deed(c *change.Change) string {
	if c.Requester != nil {
		return report.Clean(c.Requester.String()) + " wrote " + named(c.Subject) + ": " + happened(c)
	}
	if c.Writer == nil {
		return named(c.Subject) + ": " + happened(c)
	}
	return report.Clean(c.Writer.Manager) + " wrote " + named(c.Subject) + ": " + happened(c)
}

// sentence returns the text with its first letter in upper case.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 || first == utf8.RuneError {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

// weight says which rows are kept where there are too many.
func weight(r *Row) int {
	switch {
	case r.Kind == "recording", r.Kind == "mark", r.Kind == "gap":
		return 4
	case r.Kind == "verdict" && impact(r.State) > 0, r.Link != "":
		return 3
	case r.Kind == "verdict", r.Kind == "loss":
		return 2
	}
	return 1
}

// order is the order of rows at one position: causes first.
func order(r *Row) int {
	return slices.Index([]string{"past", "recording", "gap", "change", "loss", "verdict", "mark"}, r.Kind)
}
