package verdict_test

import (
	"context"
	"testing"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// TestCitedEvents: at the event that is cited for a change of a verdict, a
// replay shows that verdict; a change that came as time passed cites none. The
// headline of a settled segment is that of the worst in it, so only the state
// is compared there.
func TestCitedEvents(t *testing.T) {
	cited, silent := 0, 0
	replaytest.Recordings(t, func(t *testing.T, name string, r *store.Recording) {
		subject, info := replaytest.Subject(t, name), r.Info()
		raw, err := verdict.Of(context.Background(), r, subject, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		cursor := replay.NewCursor(r)
		check := func(s *verdict.Segment, headline bool) {
			if s.Event == 0 {
				silent++
				return
			}
			cited++
			state, err := cursor.Seek(s.Event)
			if err != nil {
				t.Fatal(err)
			}
			got := analyzer.Diagnose(state, subject, analyzer.Options{})
			if got.Verdict.State != s.Report.Verdict.State || headline && got.Headline.ID != s.Report.Headline.ID {
				t.Errorf("%s cites #%d: %s %s; a replay shows %s %s there", replaytest.Clock(s.From), s.Event, s.Report.Verdict.State, s.Report.Headline.ID, got.Verdict.State, got.Headline.ID)
			}
		}
		for i := range raw {
			check(&raw[i], true)
		}
		settled := verdict.Settle(raw)
		for i := range settled {
			check(&settled[i], false)
		}
	})
	if cited < silent {
		t.Errorf("%d changes cite an event, %d none", cited, silent)
	}
}
