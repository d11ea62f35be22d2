package verdict

import (
	"context"
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// RecordingStarts is the note of a verdict that holds from the first instant of
// the recording on.
const RecordingStarts = "or earlier: the recording starts here"

// ReportAt diagnoses a subject at the state's instant and dates the verdict as
// the timeline of the subject does; see Date.
func ReportAt(ctx context.Context, s *replay.State, subject store.Ref, o analyzer.Options) (analyzer.Report, error) {
	r := analyzer.Diagnose(s, subject, o)
	return r, Date(ctx, s, subject, &r)
}

// Date sets since when the verdict of a report at the state's instant holds: the
// start of its run in the timeline of the subject. The objects of one instant
// know less: each may be older than the fault, or was written again since. A
// report that answers another question than the timeline, such as that of one
// client, keeps its own date.
func Date(ctx context.Context, s *replay.State, subject store.Ref, r *analyzer.Report) error {
	began, now := s.Start(), s.Instant()
	if now.Before(began) {
		return nil
	}
	// Most verdicts are young, and looking back costs what happened meanwhile.
	for length := time.Minute; ; length *= 8 {
		from := now.Add(-length)
		if from.Before(began) {
			from = began
		}
		segments, err := Of(ctx, s.Timeline(), subject, from, now)
		if err != nil {
			return err
		}
		if n := len(segments); n == 0 || !sameVerdict(&segments[n-1], &Segment{Report: *r}) {
			return nil
		}
		since, unheard, known := sinceOf(segments)
		if !known && from.After(began) {
			continue
		}
		date(r, since, unheard, !since.After(began), began, now)
		return nil
	}
}

// DateIn dates the report of one of the settled segments of a subject as Date
// does. now is the instant of the report.
func DateIn(r *analyzer.Report, segments []Segment, at int, began, now time.Time) {
	if !sameVerdict(&segments[at], &Segment{Report: *r}) {
		return
	}
	start := RunStart(segments, at)
	from := segments[start].From
	date(r, from, unheardBefore(segments, start), !from.After(began), began, now)
}

// unheardBefore returns since when nobody was listening when the segment at a place
// began; zero if somebody was.
func unheardBefore(segments []Segment, at int) time.Time {
	if at == 0 || segments[at-1].Gap == "" || segments[at].Gap != "" {
		return time.Time{}
	}
	for at--; at > 0 && segments[at-1].Gap != ""; {
		at--
	}
	return segments[at].From
}

// Dated returns settled segments of a subject whose reports are dated as Date
// dates them. began is when the recording began.
func Dated(segments []Segment, began time.Time) []Segment {
	dated := slices.Clone(segments)
	for i := range dated {
		DateIn(&dated[i].Report, segments, i, began, dated[i].From)
	}
	return dated
}

// Unheard is how the note of a verdict begins that came while nobody was listening.
const Unheard = "nobody was listening from "

// date sets since when a report holds; open says that it may have been so before
// the first instant looked at, which is the beginning of the recording. unheard is since
// when nobody was listening at that instant, zero if somebody was: then objects may tell of
// a time between the two.
func date(r *analyzer.Report, since, unheard time.Time, open bool, began, now time.Time) {
	switch told := r.Verdict.Since; {
	case !open && !unheard.IsZero():
		note := Unheard + phrase.Clock(unheard, now) + " to " + phrase.Clock(since, now)
		if told.After(unheard) && told.Before(since) {
			since = told
		}
		r.Date(since, note, now)
	case !open:
		r.Date(since, "", now)
	case !told.IsZero() && told.Before(began):
		// The objects tell of a time that nobody recorded.
	default:
		r.Date(since, RecordingStarts, now)
	}
}

// sinceOf returns since when the last verdict of raw segments holds. known is
// false if that may be another instant when the time before is looked at, too.
func sinceOf(raw []Segment) (since, unheard time.Time, known bool) {
	last := &raw[len(raw)-1]
	since = last.From
	// The last verdict goes on: it may have just begun, or be part of several
	// that follow each other quickly.
	long := *last
	long.To = long.From.Add(max(settled, long.To.Sub(long.From)))
	for _, all := range [][]Segment{Settle(raw), Settle(append(raw[:len(raw)-1:len(raw)-1], long))} {
		n := len(all) - 1
		if !sameVerdict(&all[n], last) {
			continue
		}
		start := RunStart(all, n)
		if from := all[start].From; !from.After(since) {
			since, unheard = from, unheardBefore(all, start)
		}
	}
	// What follows a long segment does not depend on what came before that.
	for i := range raw {
		if raw[i].To.After(since) {
			break
		}
		if raw[i].To.Sub(raw[i].From) >= settled {
			return since, unheard, true
		}
	}
	return since, unheard, false
}

// RunStart returns the first of the settled segments that belongs to the run of
// the one at a place: neighbours with the same state and headline, whatever the
// recorder was listening to. While nothing is served the state alone counts:
// packets fail from its first instant on, also where the reason became another
// or was told more exactly later, and while replacements were given their time.
func RunStart(segments []Segment, at int) int {
	dark := segments[at].Report.Verdict.State == analyzer.NotServing && segments[at].Report.Verdict.Intent == ""
	for at > 0 {
		before := &segments[at-1]
		waits := dark && before.Report.Verdict.State == analyzer.Converging && !before.Served
		if !waits && !sameVerdict(before, &segments[at]) && !(dark && before.Report.Verdict.State == analyzer.NotServing && before.Report.Verdict.Intent == "") {
			break
		}
		at--
	}
	return at
}

// sameVerdict reports whether a verdict goes on from one segment to another.
func sameVerdict(a, b *Segment) bool {
	va, vb := &a.Report.Verdict, &b.Report.Verdict
	if va.State == analyzer.NotServing {
		return va.State == vb.State && va.Intent == vb.Intent
	}
	was := *a
	was.Gap = b.Gap
	return Same(&was, b)
}
