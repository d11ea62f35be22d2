package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// shareFile shares in the way the command does, without the scan.
func shareFile(t *testing.T, r *store.Recording, out, policy string) (*store.Recording, *redact.Share) {
	t.Helper()
	o := &shareOptions{cutOptions: cutOptions{stretch: stretch{look: &look{app: &app{now: time.Now, out: io.Discard, err: io.Discard, quiet: true, zoneName: "UTC"}}}}, policy: policy}
	gate, _, err := o.redacted(context.Background(), r, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := store.Verify(out); err != nil || len(v.Damage) > 0 {
		t.Fatalf("verify: %v, %v", v.Damage, err)
	}
	shared, err := store.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shared.Close() })
	return shared, gate
}

// courses are the verdicts on every Service, and the headline of each.
func courses(t *testing.T, r *store.Recording) []string {
	t.Helper()
	info := r.Info()
	var lines []string
	for c, err := range replay.AllVerdicts(t.Context(), r, info.Start, info.End, nil) {
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Segments {
			lines = append(lines, fmt.Sprint(c.Subject.Namespace, "/", c.Subject.Name, " ", replay.FormatInstant(s.From), " #", s.Seq, " ",
				s.Report.Verdict.State, " ", s.Report.Verdict.Intent, " ", s.Report.Headline.ID, " ", s.Report.Headline.Units, " ", s.Report.Verdict.Certainty))
		}
	}
	return lines
}

// TestShareKeepsTheVerdicts: what is shared tells the same story, under either
// policy.
func TestShareKeepsTheVerdicts(t *testing.T) {
	incidents(t, func(t *testing.T, path string, r *store.Recording) {
		if testing.Short() && number(path)%7 != 0 {
			t.Skip("one in seven, with -short")
		}
		want := courses(t, r)
		for _, policy := range redact.SharePolicies {
			shared, _ := shareFile(t, r, filepath.Join(t.TempDir(), policy), policy)
			if d := cmp.Diff(want, courses(t, shared)); d != "" {
				t.Errorf("%s (-original +shared):\n%s", policy, d)
			}
			info := shared.Info()
			if info.Redaction.Shared != policy || !slices.Equal(kindsOf(shared), kindsOf(r)) {
				t.Errorf("%s: redaction %+v, resources %v", policy, info.Redaction, kindsOf(shared))
			}
		}
	})
}

func kindsOf(r *store.Recording) (names []string) {
	for _, k := range r.Kinds() {
		names = append(names, fmt.Sprint(k.Resource.Resource, " ", k.Events))
	}
	return names
}
