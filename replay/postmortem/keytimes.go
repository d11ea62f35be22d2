package postmortem

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// What people saw and did is not in the cluster. They say it with marks, and
// these are the words that tell which mark is which moment.
var (
	detectedMark  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)\b(detect|alert|page[dr]?\b|notic|report)`) })
	mitigatedMark = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b(mitigat|roll(ed|ing)?[ -]?back|revert|fail(ed)?[ -]?over|fixed)`)
	})
)

// keyTimes are the moments of the outage, each with what shows it, and how long
// it took from one to the other.
func (s *documentBuilder) keyTimes() ([]KeyTime, []Span) {
	trigger, start, end := s.trigger(), s.impactStart(), s.impactEnd()
	detected := s.marked("detected", "Detected", detectedMark(), "detected: the alert fired")
	mitigated := s.mitigated()
	times := []KeyTime{trigger, start, detected, mitigated, end}
	for i := range times {
		if k := &times[i]; !k.Time.IsZero() {
			k.Time = k.Time.UTC()
			k.Local = k.Time.In(s.Zone).Format(time.RFC3339)
		}
	}
	spans := []Span{
		between("From trigger candidate to impact", &trigger, &start),
		between("From impact to detection", &start, &detected),
		between("From impact to mitigation", &start, &mitigated),
		between("Impact", &start, &end),
	}
	if s.outage == nil {
		return times, spans
	}
	var dark, impaired time.Duration
	_, course := s.course()
	for _, g := range course {
		switch d := g.To.Sub(g.From); impact(g.Report.Verdict.State) {
		case 3:
			dark, impaired = dark+d, impaired+d
		case 1, 2:
			impaired += d
		}
	}
	return times, append(spans, lasted("Of that, nothing was served", dark), lasted("Of that, the verdict was Degraded or worse", impaired))
}

func (s *documentBuilder) trigger() KeyTime {
	k := KeyTime{ID: "trigger", Name: "Trigger candidate", Certainty: NotObservable, Note: Unobservable}
	switch {
	case s.outage == nil:
		k.Note = "there was no outage"
	case s.forerunner() != nil:
		f := s.forerunner()
		k.Time, k.Seq, k.Certainty = f.Time, f.Seq, Inferred
		k.Note = fmt.Sprintf("reconstructed, within %s: %s", lasting(f.Uncertainty()), report.Clean(f.String()))
	case s.outage.Trigger() != nil:
		c := s.outage.Trigger()
		k.Time, k.Seq, k.Certainty = c.ObservedAt, c.Seq, certaintyOf(c)
		k.Note = deed(c)
		if !c.Earliest.IsZero() {
			k.Certainty = Inferred
			k.Note += fmt.Sprintf("; at some time after %s, as nobody was listening", clock(c.Earliest))
		}
	}
	return k
}

// certaintyOf says how firmly a change is tied to what it explains.
func certaintyOf(c *change.Change) Certainty {
	if c.Link == change.Counterfactual || c.Link == change.Structural {
		return Observed
	}
	return Inferred
}

func (s *documentBuilder) impactStart() KeyTime {
	k := KeyTime{ID: "impactStart", Name: "Impact start", Certainty: NotObservable, Note: "there was no outage"}
	if s.outage == nil {
		return k
	}
	before, course := s.course()
	for i, g := range course {
		if impact(g.Report.Verdict.State) == 0 {
			continue
		}
		k.Time, k.Seq, k.Certainty = g.From, g.Event, Observed
		k.Note = fmt.Sprintf("the verdict became %s", g.Report.Verdict.State)
		if i > 0 { // fewer endpoints than wanted hurt nobody yet
			k.Note += "; not well since " + clock(s.group.From)
		}
		switch {
		case i == 0 && s.prelude != nil && !s.prelude.Dark.IsZero():
			k.Time, k.Certainty = s.prelude.Dark, Inferred
			k.Note = "reconstructed: by then, at the latest, it had no usable endpoint; the recording begins later"
		case i == 0 && before == nil:
			k.Certainty = Inferred
			k.Note += ", or was so before: what was looked at begins with it"
		case g.Gap != "" || i == 0 && before.Gap != "":
			k.Certainty = Inferred
			k.Note += "; the recorder was not listening to all of it"
		}
		return k
	}
	return k
}

func (s *documentBuilder) impactEnd() KeyTime {
	k := KeyTime{ID: "impactEnd", Name: "Impact end", Certainty: NotObservable, Note: "there was no outage"}
	if s.outage == nil {
		return k
	}
	r := s.outage.Recovery
	if r == nil {
		k.Note = "unknown: it lasted to the end of what was looked at"
		return k
	}
	k.Time, k.Seq, k.Certainty = r.From, r.Event, Observed
	k.Note = fmt.Sprintf("the verdict became %s", r.Report.Verdict.State)
	if r.Report.Verdict.State == analyzer.Unknown || r.Gap != "" {
		k.Certainty = Inferred
		k.Note += "; the recorder was not listening to all of it"
	}
	return k
}

// mitigated is when people say so, else the change that led to recovery.
func (s *documentBuilder) mitigated() KeyTime {
	k := s.marked("mitigated", "Mitigated", mitigatedMark(), "mitigated: rolled back")
	if !k.Time.IsZero() || s.outage == nil || s.outage.End() == nil {
		return k
	}
	c := s.outage.End()
	k.Time, k.Seq, k.Certainty = c.ObservedAt, c.Seq, certaintyOf(c)
	k.Note = deed(c) + "; this led to recovery"
	return k
}

// marked is a moment that only people know: the first mark that says so.
func (s *documentBuilder) marked(id, name string, words *regexp.Regexp, example string) KeyTime {
	for _, m := range s.marks {
		if words.MatchString(m.Text) {
			seq, err := s.timeline.SeqAt(m.Time)
			if err != nil {
				seq = 0 // the moment is known without its position
			}
			return KeyTime{ID: id, Name: name, Time: m.Time, Seq: seq, Certainty: Observed, Note: "marked: " + s.remark(&m)}
		}
	}
	return KeyTime{ID: id, Name: name, Certainty: NotObservable, Note: Unobservable + fmt.Sprintf("; svcspy mark %s --at TIME %s says it", s.quotedFile(), quoted(example))}
}

// remark is the text of a mark and what is known of who made it.
func (s *documentBuilder) remark(m *store.Mark) string {
	text := report.Clean(m.Text)
	if origin := report.MarkOrigin(m, s.info.SHA256, s.info.End); origin != "" {
		text += " (" + origin + ")"
	}
	return text
}

func between(name string, from, to *KeyTime) Span {
	if from.Time.IsZero() || to.Time.IsZero() {
		return Span{Name: name, Seconds: -1, Text: "unknown"}
	}
	return lasted(name, to.Time.Sub(from.Time))
}

func lasted(name string, d time.Duration) Span {
	text := lasting(d)
	switch {
	case d < 0:
		text = lasting(-d) + " before it"
	case d == 0:
		text = "none"
	}
	return Span{Name: name, Seconds: d.Seconds(), Text: text}
}
