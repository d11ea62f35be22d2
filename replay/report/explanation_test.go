package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// TestExplanations keeps what explain says of real outages. Each line was
// compared with what was done to the cluster, which NAME.ops beside the recording
// lists; after a change, do that again.
func TestExplanations(t *testing.T) {
	for _, name := range []string{
		"selector-edited", "bad-image-rollout", "node-loss", // the demos
		"autoscaler-scaled-down", "config-change", "drain-nowhere-to-go", "endpoints-late", "preempted", "quota-exceeded",
		"rollout-paused", "service-recreated", "unready-after-full-rollout", "webhook-down",
	} {
		t.Run(name, func(t *testing.T) {
			r, err := store.Open("../../fixtures/incidents/" + name + ".db")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			info, web := r.Info(), store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
			segments, err := verdict.Of(t.Context(), r, web, info.Start, info.End)
			if err != nil {
				t.Fatal(err)
			}
			story, err := story.Explain(t.Context(), r, web, verdict.Settle(segments), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := ExplanationText(&b, NewExplanation(info, story), Options{}); err != nil {
				t.Fatal(err)
			}
			golden(t, "explain-"+name+".txt", b.Bytes())
		})
	}
}
