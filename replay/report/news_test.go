package report

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// TestNews tells an outage as trace -w does: each verdict as what is new in it.
func TestNews(t *testing.T) {
	for _, name := range []string{"selector-edited", "bad-image-rollout"} {
		t.Run(name, func(t *testing.T) {
			r, err := store.Open("../../fixtures/incidents/" + name + ".db")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			web := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
			segments, err := verdict.Of(t.Context(), r, web, r.Info().Start, r.Info().End)
			if err != nil {
				t.Fatal(err)
			}
			cursor := replay.NewCursor(r)
			var b bytes.Buffer
			var last *replay.State
			for _, g := range verdict.Settle(segments) {
				s, err := cursor.SeekTime(g.From)
				if err != nil {
					t.Fatal(err)
				}
				after, err := New(s, analyzer.Diagnose(s, web, analyzer.Options{}))
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "=== %s\n", when.Format(s.Instant()))
				if last == nil {
					err = Text(&b, after, Options{Brief: true})
				} else {
					before, between := Envelope{}, []story.Difference(nil)
					if before, err = New(last, analyzer.Diagnose(last, web, analyzer.Options{})); err == nil {
						between, err = story.Diff(last, s, web)
					}
					if err != nil {
						t.Fatal(err)
					}
					err = NewsText(&b, before, after, between, Options{})
				}
				if err != nil {
					t.Fatal(err)
				}
				last = s
			}
			golden(t, "news-"+name+".txt", b.Bytes())
		})
	}
}
