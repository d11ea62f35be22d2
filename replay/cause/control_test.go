package cause

import (
	"context"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// controls are fields whose change is undone although it did not happen, by
// resource.
var controls = map[string]string{
	"nodes": "/spec/unschedulable", "networkpolicies": "/spec/ingress", "services": "/spec/ports", "ingresses": "/spec/rules",
	"deployments": "/spec/template/metadata/labels/other",
}

// bystanders are objects that no Pod and no Event names. Nothing that was done to them
// explains an outage.
var bystanders = []store.Ref{
	{Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, Name: "bystander"},
	{Resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, Name: "bystander"},
	{Resource: schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}, Name: "bystander"},
	{Resource: admission[0], Name: "bystander"},
	{Resource: admission[1], Name: "bystander"},
	{Resource: admission[2], Name: "bystander"},
}

// TestUndoOfTheUnrelated undoes what did not happen: a cordon, and an edit of an
// object that is as it was, a moment before each incident was at its worst.
// Nothing follows from them, so the verdict must stay what it was.
func TestUndoOfTheUnrelated(t *testing.T) {
	carriedOut := map[string]int{}
	for resource := range controls {
		carriedOut[resource] = 0
	}
	for _, ref := range bystanders {
		carriedOut[ref.Resource.Resource] = 0
	}
	t.Run("recordings", func(t *testing.T) { undoTheUnrelated(t, carriedOut) })
	for resource, n := range carriedOut {
		if n == 0 {
			t.Errorf("no recording carried out the control of %s", resource)
		}
	}
}

func undoTheUnrelated(t *testing.T, carriedOut map[string]int) {
	replaytest.Recordings(t, func(t *testing.T, name string, r *store.Recording) {
		subject, info := replaytest.Subject(t, name), r.Info()
		raw, err := verdict.Of(context.Background(), r, subject, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		segments := verdict.Settle(raw)
		// What it was like before it came up is no incident.
		up := max(0, slices.IndexFunc(segments, func(s verdict.Segment) bool { return verdict.Healthy(s.Report.Verdict.State) }))
		worst := len(segments) - 1
		for i := up; i < len(segments); i++ {
			if segments[i].Gap == "" && verdict.Worse(segments[i].Report.Verdict.State, segments[worst].Report.Verdict.State) {
				worst = i
			}
		}
		at := segments[worst].From.Add(segments[worst].To.Sub(segments[worst].From) / 2)
		s, err := replay.NewCursor(r).SeekTime(at)
		if err != nil {
			t.Fatal(err)
		}
		want := analyzer.Diagnose(s, subject, analyzer.Options{}).Verdict.State
		related := RelationsOf(s, subject)
		for _, ref := range related.Refs {
			field, controlled := controls[ref.Resource.Resource]
			if !controlled {
				continue
			}
			o := s.Get(ref)
			if o == nil || wasEdited(t, r, ref, s.Seq()) {
				continue
			}
			unrelated := change.Change{
				Ref: ref, Subject: change.SubjectOf(o), Verb: change.Updated, Seq: segments[worst].Seq, ObservedAt: segments[worst].From,
				Before: o, After: o, AllFields: []change.Field{{Path: field}}, Origin: change.Intent,
			}
			v := undo(related, []change.Change{unrelated})
			if v == nil {
				continue
			}
			carriedOut[ref.Resource.Resource]++
			if got := analyzer.Diagnose(v, subject, analyzer.Options{}).Verdict.State; got != want {
				t.Errorf("with nothing undone of %s %s it would be %s, it was %s", o.Resource.Resource, o.Name, got, want)
			}
		}
		if verdict.Healthy(want) || segments[worst].Gap != "" || worst == 0 {
			return
		}
		x, err := NewFinder(r, subject)
		if err != nil {
			t.Fatal(err)
		}
		m, err := x.Case(&segments[worst-1].Report, &segments[worst])
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range bystanders {
			if ref.Namespace = subject.Namespace; ofAdmission(ref) {
				ref.Namespace = ""
			}
			for _, verb := range []change.Verb{change.Updated, change.Created, change.Deleted} {
				c := change.Change{
					Ref: ref, Subject: analyzer.Subject{Kind: "Bystander", Name: ref.Name}, Verb: verb, Seq: segments[worst].Seq, ObservedAt: segments[worst].From,
					AllFields: []change.Field{{Path: "/data/LEVEL", Old: "info", New: "debug"}}, Origin: change.Intent,
				}
				carriedOut[ref.Resource.Resource]++
				if got := x.link(m, []change.Change{c}); got.Link != change.Correlated {
					t.Errorf("%s %s %s explains the outage: %s (%s)", ref.Resource.Resource, ref.Name, verb, got.Link, got.Note)
				}
			}
		}
	})
}

// wasEdited reports whether somebody changed the object: then something may
// follow from that.
func wasEdited(t *testing.T, r *store.Recording, ref store.Ref, to store.Seq) bool {
	t.Helper()
	all, err := change.List(r, ref, 0, to)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i].Verb != change.Created && all[i].Origin == change.Intent && specOrWhole(&all[i]) {
			return true
		}
	}
	return false
}
