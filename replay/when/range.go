package when

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// RangeOf returns what times are read against on a timeline, with every anchor
// that can be looked up there; the caller adds Zone, Now, and where there is
// one, Cursor. Marks returns those of the recording, and course the settled
// verdicts on the subject, which verdict:N and incident count; each is called
// when it is needed, and nil if there is none.
func RangeOf(t replay.Timeline, marks func() ([]store.Mark, error), course func() ([]verdict.Segment, error)) Range {
	info := t.Info()
	r := Range{
		Start: info.Start, End: info.End, Live: growing(t),
		TimeOfSeq: func(seq store.Seq) (time.Time, error) { return instantOf(t, seq) },
		SeqOfRV:   func(version string) (store.Seq, error) { return seqOfVersion(t, version) },
	}
	if marks != nil {
		r.Mark = func(name string) (time.Time, error) {
			all, err := marks()
			if err != nil {
				return time.Time{}, err
			}
			return markNamed(all, name)
		}
	}
	if course != nil {
		r.Verdict = func(n int) (time.Time, error) {
			segments, err := course()
			if err != nil {
				return time.Time{}, err
			}
			if n > len(segments) {
				return time.Time{}, &NotThere{fmt.Sprintf("the last is verdict:%d", len(segments)), ""}
			}
			return segments[n-1].From, nil
		}
		r.Incident = func() (time.Time, error) {
			segments, err := course()
			if err != nil {
				return time.Time{}, err
			}
			return IncidentOf(segments)
		}
	}
	return r
}

// NotThere is the error of a look-up that worked and found nothing: the text is
// wrong then, not the recording.
type NotThere struct {
	Problem string
	Hint    string // what there is instead; may be empty
}

func (e *NotThere) Error() string { return e.Problem }

// growing reports whether somebody still writes the timeline.
func growing(t replay.Timeline) bool {
	info := t.Info()
	if info.Closed {
		return false
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	return !errors.Is(t.Wait(done, info.Last), io.EOF)
}

// instantOf returns when what is at seq was heard. What was cut from another
// recording has events of the time before its window too, as many as its reports
// need.
func instantOf(t replay.Timeline, seq store.Seq) (time.Time, error) {
	info := t.Info()
	if seq >= info.First && seq <= info.Last {
		return t.TimeOf(seq)
	}
	there := fmt.Sprintf("the recording has events #%d to #%d", info.First, info.Last)
	if info.Source == nil {
		return time.Time{}, &NotThere{there, ""}
	}
	if e, err := t.Event(seq); err == nil && seq < info.First {
		return e.Time, nil
	}
	return time.Time{}, &NotThere{
		there + ", as it was cut from another, and of earlier ones those that matter to it",
		fmt.Sprintf("ask the recording it was cut from, which runs from %s to %s", Format(info.Source.Start), Format(info.Source.End)),
	}
}

// seqOfVersion returns where the object with this resourceVersion was first
// heard. One version is one write, but resources that are kept in different
// stores may use the same number.
func seqOfVersion(t replay.Timeline, version string) (store.Seq, error) {
	info := t.Info()
	var found []store.Event
	for e, err := range t.Events(1, info.Last) {
		if err != nil {
			continue // damage is told when the state there is read
		}
		if e.ResourceVersion != version || !e.IsObject() {
			continue
		}
		again := func(f store.Event) bool { return f.Ref() == e.Ref() }
		if !slices.ContainsFunc(found, again) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return 0, &NotThere{"no object was heard in that version", ""}
	case 1:
		return found[0].Seq, nil
	}
	var all []string
	for _, e := range found {
		all = append(all, fmt.Sprintf("#%d (%s)", e.Seq, e.Resource.Resource))
	}
	return 0, &NotThere{"several objects have that version", "write one of " + strings.Join(all, ", ")}
}

// markNamed returns the time of the one mark with that text.
func markNamed(marks []store.Mark, name string) (time.Time, error) {
	var found []store.Mark
	var names []string
	for _, m := range marks {
		if m.Text == name {
			found = append(found, m)
		}
		names = append(names, "@"+m.Text)
	}
	switch {
	case len(found) == 1:
		return found[0].Time, nil
	case len(found) > 1:
		var all []string
		for _, m := range found {
			all = append(all, Format(m.Time))
		}
		return time.Time{}, &NotThere{"several marks have that name", "write one of " + strings.Join(all, ", ")}
	case len(names) == 0:
		return time.Time{}, &NotThere{"the recording has no marks", ""}
	}
	const most = 8
	slices.Sort(names)
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	return time.Time{}, &NotThere{"there is no such mark", "there are " + strings.Join(names, ", ") + more}
}

// IncidentOf returns the first change of a course from well to unhealthy. What
// was unhealthy from the beginning is no change: the hint says where to look.
func IncidentOf(segments []verdict.Segment) (time.Time, error) {
	well := false
	for _, s := range segments {
		state := s.Report.Verdict.State
		if well && verdict.Unhealthy(state) {
			return s.From, nil
		}
		well = well || verdict.Healthy(state)
	}
	for i, s := range segments {
		if verdict.Unhealthy(s.Report.Verdict.State) {
			return time.Time{}, &NotThere{
				fmt.Sprintf("it was never well before it was %s", s.Report.Verdict.State),
				fmt.Sprintf("verdict:%d is where that began to be seen", i+1),
			}
		}
	}
	return time.Time{}, &NotThere{"it was never seen unhealthy", ""}
}
