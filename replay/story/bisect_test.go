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

// scanForBreak looks at one instant after the other: the first after the last
// at which the verdict was as good as at the beginning. Zero if the end is not
// worse than that.
func scanForBreak(t replaytest.T, timeline replay.Timeline, subject store.Ref, good, bad time.Time) time.Time {
	h, err := verdict.NewIndex(timeline)
	if err != nil {
		t.Fatal(err)
	}
	cursor := replay.NewCursor(timeline)
	state := func(at time.Time) analyzer.State {
		s, err := h.Seek(cursor, at)
		if err != nil {
			t.Fatal(err)
		}
		return analyzer.Diagnose(s, subject, analyzer.Options{}).Verdict.State
	}
	fine := state(good)
	var broken time.Time
	for _, at := range replaytest.Instants(t, timeline, h.Last) {
		switch {
		case !at.After(good) || at.After(bad):
		case !verdict.Worse(state(at), fine):
			broken = time.Time{}
		case broken.IsZero():
			broken = at
		}
	}
	switch {
	case !verdict.Worse(state(bad), fine):
		return time.Time{}
	case broken.IsZero(): // since no longer than the last instant looked at
		return bad
	}
	return broken
}

// checkBisect compares with the scan. A verdict may change by time alone between
// two of the instants looked at, so they agree up to the second.
func checkBisect(t replaytest.T, timeline replay.Timeline, subject store.Ref, good, bad time.Time) {
	want := scanForBreak(t, timeline, subject, good, bad)
	tr, err := Bisect(context.Background(), timeline, subject, good, bad)
	if want.IsZero() {
		if tr != nil && tr.Risk != nil { // the verdict did not get worse, and the risk did
			if !tr.Risk.Raises() || !tr.From.After(good) || tr.From.After(bad) || tr.Changes[0].Origin != change.Intent {
				t.Errorf("bisect from %s to %s says that %+v was a risk", good, bad, tr.Risk)
			}
			return
		}
		var usage *replay.SubjectError
		if !errors.As(err, &usage) || !strings.Contains(usage.Problem, "not worse") {
			t.Errorf("it did not get worse from +%v to +%v; bisect: %v, %v", good.Sub(replaytest.Start), bad.Sub(replaytest.Start), tr, err)
		}
		return
	}
	switch {
	case err != nil:
		t.Errorf("bisect from %s to %s: %v", good, bad, err)
	case tr.From.After(want) || want.Sub(tr.From) > time.Second:
		t.Errorf("bisect from %s to %s says %s, a scan %s", good, bad, tr.From, want)
	}
}

func TestBisectIsThePlainScan(t *testing.T) {
	for _, name := range []string{"selector-edited", "readiness-flapping", "drain-nowhere-to-go", "node-loss", "scale-to-zero"} {
		t.Run(name, func(t *testing.T) {
			r, err := store.Open(replaytest.Folder(t) + "/" + name + ".db")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			info := r.Info()
			at := func(percent time.Duration) time.Time { return info.Start.Add(info.End.Sub(info.Start) * percent / 100) }
			for _, between := range [][2]time.Duration{{20, 45}, {20, 60}, {20, 99}, {45, 60}} {
				checkBisect(t, r, replaytest.Web, at(between[0]), at(between[1]))
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		m := replaytest.RandomRecording(t)
		info := m.Info()
		whole := int(info.End.Sub(info.Start) / time.Millisecond)
		good := rapid.IntRange(0, whole-1).Draw(t, "good")
		bad := rapid.IntRange(good+1, whole).Draw(t, "bad")
		checkBisect(t, m, replaytest.Web, info.Start.Add(time.Duration(good)*time.Millisecond), info.Start.Add(time.Duration(bad)*time.Millisecond))
	})
}

func TestBisectNeedsAnOrder(t *testing.T) {
	m := store.NewMemory(store.Header{Start: replaytest.Start})
	var usage *replay.SubjectError
	if _, err := Bisect(context.Background(), m, replaytest.Web, replaytest.Start, replaytest.Start); !errors.As(err, &usage) || !usage.Usage {
		t.Errorf("good is not before bad, and bisect says %v", err)
	}
}
