package story

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// checkAccount compares what is said of one subject in several places: the date
// of a report with the timeline, the trigger of explain with the first bad
// change of bisect, and the recovery with what was recorded.
func checkAccount(t replaytest.T, timeline replay.Timeline, subject store.Ref, raw []verdict.Segment, told *Explanation, instants int) {
	info, segments := timeline.Info(), verdict.Settle(raw)
	cursor := replay.NewCursor(timeline)
	for i := range instants {
		checkSince(t, cursor, subject, raw, segments, info.Start.Add(info.End.Sub(info.Start)*time.Duration(i)/time.Duration(instants)))
	}
	if told == nil {
		return
	}
	if told.Recovery != nil {
		for _, c := range told.Recovery.Changes {
			checkRecorded(t, timeline, &c, told.Course[0].Seq, told.Recovery.From)
		}
	}
	if told.Eased != nil {
		for _, c := range told.Eased.Changes {
			checkRecorded(t, timeline, &c, told.Course[0].Seq, told.Eased.From)
		}
	}
	for _, d := range told.Drops {
		if d.Ready >= d.Before || !d.To.IsZero() && !d.To.After(d.From) || d.From.After(told.Course[len(told.Course)-1].To) {
			t.Errorf("drop %+v", d)
		}
	}
	checkTrigger(t, timeline, subject, raw, told)
}

// checkSince: the report at an instant holds since its run in the timeline
// began, or since before the recording.
func checkSince(t replaytest.T, cursor *replay.Cursor, subject store.Ref, raw, segments []verdict.Segment, at time.Time) {
	s, err := cursor.SeekTime(at)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verdict.ReportAt(context.Background(), s, subject, analyzer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now, in := segmentAt(raw, at), segmentAt(segments, at)
	if at.Sub(raw[now].From) < 2*time.Second && now > 0 || !verdict.Same(&raw[now], &segments[in]) {
		return // too short so far, or for ever, to be a segment of its own
	}
	from := segments[verdict.RunStart(segments, in)].From
	switch {
	case strings.HasPrefix(r.Verdict.SinceNote, verdict.Unheard):
		start := verdict.RunStart(segments, in)
		if r.Verdict.Since.After(from) || start == 0 || segments[start-1].Gap == "" || r.Verdict.Since.Before(segments[start-1].From) && segments[max(0, start-2)].Gap == "" {
			t.Errorf("at %s %s holds since %s (%s), in the timeline since %s", replaytest.Clock(at), r.Verdict.State, replaytest.Clock(r.Verdict.Since), r.Verdict.SinceNote, replaytest.Clock(from))
		}
	case from.After(s.Start()):
		if !r.Verdict.Since.Equal(from) || r.Verdict.SinceNote != "" {
			t.Errorf("at %s %s holds since %s (%s), in the timeline since %s", replaytest.Clock(at), r.Verdict.State, replaytest.Clock(r.Verdict.Since), r.Verdict.SinceNote, replaytest.Clock(from))
		}
	case r.Verdict.Since.After(s.Start()) || r.Verdict.SinceNote != verdict.RecordingStarts && !r.Verdict.Since.Before(s.Start()):
		t.Errorf("at %s %s holds since %s (%s), in the timeline since the recording starts", replaytest.Clock(at), r.Verdict.State, replaytest.Clock(r.Verdict.Since), r.Verdict.SinceNote)
	}
}

func segmentAt(segments []verdict.Segment, at time.Time) int {
	found := 0
	for i := range segments {
		if !segments[i].From.After(at) {
			found = i
		}
	}
	return found
}

// checkRecorded: a change that ended an outage is a write that was recorded
// after that had begun, and before it was over.
func checkRecorded(t replaytest.T, timeline replay.Timeline, c *change.Change, onset store.Seq, over time.Time) {
	e, err := timeline.Event(c.Seq)
	switch {
	case err != nil || e.IsObject() && e.Ref() != c.Ref: // at the end of a list it was found gone
		t.Errorf("the recovery %s is not at #%d: %v", c, c.Seq, err)
	case c.Seq <= onset:
		t.Errorf("the recovery %s #%d came before the outage, #%d", c, c.Seq, onset)
	case c.ObservedAt.After(over.Add(verdict.Resolution)):
		t.Errorf("the recovery %s at %s came after the outage was over, %s", c, replaytest.Clock(c.ObservedAt), replaytest.Clock(over))
	}
}

// checkTrigger: bisect between the last healthy verdict and the worst names the
// change that explain does.
func checkTrigger(t replaytest.T, timeline replay.Timeline, subject store.Ref, raw []verdict.Segment, told *Explanation) {
	if told.Before == nil || !verdict.Healthy(told.Before.Report.Verdict.State) || told.Before.Gap != "" {
		return
	}
	good, bad := told.Before.To.Add(-told.Before.To.Sub(told.Before.From)/4), told.Worst.From.Add(told.Worst.To.Sub(told.Worst.From)/2)
	found, err := bisect(timeline, subject, raw, good, bad)
	var usage *replay.SubjectError
	if errors.As(err, &usage) {
		return // between two blips it is as good as it was
	}
	if err != nil {
		t.Fatal(err)
	}
	trigger := func(tr *Transition) string {
		if len(tr.Changes) == 0 {
			return "nothing"
		}
		return tr.Changes[0].String()
	}
	if a, b := trigger(&told.Worst), trigger(found); a != b {
		t.Errorf("explain: %s; bisect from %s to %s: %s", a, replaytest.Clock(good), replaytest.Clock(bad), b)
	}
	if a, b := told.Worst.Later.Headline.ID, found.Later.Headline.ID; a != b {
		t.Errorf("explain: %s; bisect from %s to %s: %s", a, replaytest.Clock(good), replaytest.Clock(bad), b)
	}
}

// Incidents are checked where TestExplainIncidents looks at them.
func TestAccountOfRandomRecordings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := replaytest.RandomRecording(t)
		ctx, info := context.Background(), m.Info()
		raw, err := verdict.Of(ctx, m, replaytest.Web, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		told, err := Explain(ctx, m, replaytest.Web, verdict.Settle(raw), time.Time{})
		if err != nil && !errors.Is(err, ErrNoOutage) {
			t.Fatal(err)
		}
		checkAccount(t, m, replaytest.Web, raw, told, 8)
	})
}
