package story

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// partOf copies what a recorder would have that stopped at a position, or that never
// recorded a resource.
func partOf(t *testing.T, r *store.Recording, last store.Seq, without string) *store.Memory {
	t.Helper()
	m := store.NewMemory(r.Info().Header)
	for seq := r.Info().First; seq <= last; seq++ {
		e, err := r.Event(seq)
		switch {
		case err == nil && e.Resource.Resource != without:
			_, err = m.Append(e)
		case errors.Is(err, store.ErrNotEvent):
			var entries []store.Coverage
			if entries, err = r.Ledger(seq, seq); err == nil && entries[0].Resource.Resource != without {
				_, err = m.Cover(entries[0])
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	end := r.Info().End
	if last < r.Info().Last {
		at, err := r.TimeOf(last)
		if err != nil {
			t.Fatal(err)
		}
		end = at.Add(time.Second)
	}
	if _, err := m.Seal(end); err != nil {
		t.Fatal(err)
	}
	return m
}

// account is what is told of a subject with certainty: changes with a proven or a
// structural link, and how they are told from others in another recording.
type account struct {
	course   []verdict.Segment
	sure     map[string]bool
	outage   *Explanation
	timeline replay.Timeline
}

func toldOf(c *change.Change) string { return c.Subject.Kind + "/" + c.Subject.Name + " " + c.Path }

func accountOf(t *testing.T, timeline replay.Timeline, subject store.Ref, all bool) *account {
	t.Helper()
	ctx, info := context.Background(), timeline.Info()
	raw, err := verdict.Of(ctx, timeline, subject, info.Start, info.End)
	if err != nil {
		t.Fatal(err)
	}
	a := &account{course: verdict.Settle(raw), sure: map[string]bool{}, timeline: timeline}
	add := func(changes []change.Change) {
		for i := range changes {
			if changes[i].Link != change.Correlated {
				a.sure[toldOf(&changes[i])] = true
			}
		}
	}
	if a.outage, err = Explain(ctx, timeline, subject, a.course, time.Time{}); err != nil && !errors.Is(err, ErrNoOutage) {
		t.Fatal(err)
	}
	if e := a.outage; e != nil {
		add(e.Worst.Changes)
		for _, tr := range []*Transition{e.Eased, e.Recovery} {
			if tr != nil {
				add(tr.Changes)
			}
		}
	}
	if all {
		transitions, err := Transitions(ctx, timeline, subject, a.course)
		if err != nil {
			t.Fatal(err)
		}
		for i := range transitions {
			add(transitions[i].Changes)
		}
	}
	return a
}

// TestPartsAreNotSurerOfSomethingElse: a recording that was started late, that ends early
// or that lacks a kind may know less than the whole one. What it says with a link that
// proves something the whole one says of the same subject, too, and it does not date the
// verdict earlier than that, nor later without saying that it may be older. Every third
// incident is cut once; SVCSPY_EVERY=1 makes every cut.
func TestPartsAreNotSurerOfSomethingElse(t *testing.T) {
	every, n := os.Getenv("SVCSPY_EVERY") != "", -1
	replaytest.Recordings(t, func(t *testing.T, name string, r *store.Recording) {
		if n++; !every && (n%3 != 0 || testing.Short() && n%24 != 0) {
			return
		}
		subject, info := replaytest.Subject(t, name), r.Info()
		parts := map[string]func() *store.Memory{}
		add := func(what string, turn int, part func() *store.Memory) {
			if every || turn == n/3%9 {
				parts[what] = part
			}
		}
		steps := replaytest.Steps(t, name)
		for i, step := range steps {
			for j, after := range []time.Duration{time.Second, 5 * time.Second, 12 * time.Second} {
				at := step[1].Add(after)
				seq, err := r.SeqAt(at)
				if err != nil {
					t.Fatal(err)
				}
				if seq == 0 || !at.Before(info.End) || !every && i != n/3%len(steps) {
					continue
				}
				if replaytest.Listening(t, r, seq) {
					add("from "+replaytest.Clock(at), j, func() *store.Memory { return replaytest.Late(t, r, seq) })
				}
				add("until "+replaytest.Clock(at), 3+j, func() *store.Memory { return partOf(t, r, seq, "") })
			}
		}
		for j, resource := range []string{"nodes", "replicasets", "events", "pods", "endpointslices", "configmaps"} {
			add("without "+resource, 6+j%3, func() *store.Memory {
				if !every && n/27%2 != j/3 {
					return nil
				}
				return partOf(t, r, info.Last, resource)
			})
		}
		if len(parts) == 0 {
			return
		}
		whole := accountOf(t, r, subject, true)
		for what, part := range parts {
			m := part()
			if m == nil {
				continue
			}
			checkPart(t, what, whole, accountOf(t, m, subject, false), subject)
		}
	})
}

func checkPart(t *testing.T, what string, whole, part *account, subject store.Ref) {
	t.Helper()
	if e := part.outage; e != nil {
		for i := range e.Worst.Changes[:min(1, len(e.Worst.Changes))] {
			if c := &e.Worst.Changes[i]; c.Link != change.Correlated && !whole.sure[toldOf(c)] {
				t.Errorf("%s: blames %s, %s (%s); the whole recording does not", what, c, c.Link, c.Note)
			}
		}
		if c := e.End(); c != nil && c.Link != change.Correlated && !whole.sure[toldOf(c)] {
			t.Errorf("%s: ended by %s, %s (%s); not by the whole recording", what, c, c.Link, c.Note)
		}
	}
	info := part.timeline.Info()
	s, err := replay.NewCursor(part.timeline).SeekTime(info.End)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verdict.ReportAt(context.Background(), s, subject, analyzer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := segmentAt(whole.course, info.End.Add(-time.Microsecond))
	is := &whole.course[in].Report.Verdict
	if r.Verdict.State != is.State || is.State != analyzer.NotServing || r.Verdict.Intent != is.Intent || whole.course[in].Gap != "" {
		return
	}
	start := verdict.RunStart(whole.course, in)
	from := whole.course[start].From
	if !from.After(whole.timeline.Info().Start) || start > 0 && whole.course[start-1].Gap != "" {
		return // the whole recording did not see it begin either
	}
	if r.Verdict.Since.Before(from.Add(-3*time.Second)) || r.Verdict.SinceNote == "" && r.Verdict.Since.After(from.Add(3*time.Second)) {
		t.Errorf("%s: %s since %s (%q), in the whole recording since %s", what, r.Verdict.State, replaytest.Clock(r.Verdict.Since), r.Verdict.SinceNote, replaytest.Clock(from))
	}
}
