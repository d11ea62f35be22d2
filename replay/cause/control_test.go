package cause

import (
	"context"
	"testing"

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

// TestUndoOfTheUnrelated undoes what did not happen: a cordon, and an edit of an
// object that is as it was, a moment before each incident was at its worst.
// Nothing follows from them, so the verdict must stay what it was.
func TestUndoOfTheUnrelated(t *testing.T) {
	replaytest.Recordings(t, func(t *testing.T, name string, r *store.Recording) {
		subject, info := replaytest.Subject(t, name), r.Info()
		raw, err := verdict.Of(context.Background(), r, subject, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		segments := verdict.Settle(raw)
		worst := len(segments) - 1
		for i := range segments {
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
			if got := analyzer.Diagnose(v, subject, analyzer.Options{}).Verdict.State; got != want {
				t.Errorf("with nothing undone of %s %s it would be %s, it was %s", o.Resource.Resource, o.Name, got, want)
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
