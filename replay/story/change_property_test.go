package story

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// checkChanges holds the changes of an object against its versions: each says
// what is different between the version before and the one after it, nothing
// that tells something is left out between two of them, and what happened while
// nobody listened is said to lie between two moments.
func checkChanges(t replaytest.T, timeline replay.Timeline, ref store.Ref) (n int) {
	info := timeline.Info()
	all, err := change.List(timeline, ref, 0, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	var last *analyzer.Object
	for i := range all {
		c := &all[i]
		if c.Verb == change.Created && (c.Before != nil || c.After == nil) || c.Verb == change.Deleted && (c.Before == nil || c.After != nil) {
			t.Errorf("%s: #%d %s has the wrong versions", ref.Name, c.Seq, c.Verb)
		}
		if last != nil && c.Before != nil && c.Verb != change.Deleted {
			if lost := change.Meaningful(c.Before, change.Diff(change.Decode(last), change.Decode(c.Before))); len(lost) > 0 {
				t.Errorf("%s: between #%d and #%d something is left out: %+v", ref.Name, last.Seq, c.Before.Seq, lost)
			}
		}
		for _, f := range c.AllFields {
			before, after := change.Decode(c.Before), change.Decode(c.After)
			if ref.Resource.Resource == "secrets" {
				break // hidden
			}
			if diff := cmp.Diff(change.ValueAt(before, f.Steps), f.Old); diff != "" {
				t.Errorf("%s: #%d %s: old value (-object +change):\n%s", ref.Name, c.Seq, f.Path, diff)
			}
			if diff := cmp.Diff(change.ValueAt(after, f.Steps), f.New); diff != "" {
				t.Errorf("%s: #%d %s: new value (-object +change):\n%s", ref.Name, c.Seq, f.Path, diff)
			}
		}
		if last = c.After; c.Verb == change.Deleted {
			last = nil
		}
		e, err := timeline.Event(c.Seq)
		heard := err == nil && e.Ref() == ref && e.UID == uidOf(c) && (e.Type == watch.Modified || e.Type == watch.Deleted || e.Type == watch.Added && c.Verb == change.Created)
		if !heard && (c.Earliest.IsZero() || c.Earliest.After(c.ObservedAt)) {
			t.Errorf("%s: #%d %s was not heard, and is not said to lie between two moments", ref.Name, c.Seq, c.Verb)
		}
		if cover, err := timeline.Coverage(ref.Resource, ref.Namespace, c.Seq); err == nil && cover.Status == store.Gap && !heard { // what was missed comes before a gap counts as healed
			t.Errorf("%s: #%d %s is invented: nobody was listening", ref.Name, c.Seq, c.Verb)
		}
		n++
	}
	return n
}

func uidOf(c *change.Change) any {
	if c.After != nil {
		return c.After.UID
	}
	return c.Before.UID
}

// everyObject returns the names of all objects that were ever recorded.
func everyObject(t replaytest.T, timeline replay.Timeline, but ...string) []store.Ref {
	info := timeline.Info()
	seen := map[store.Ref]bool{}
	var refs []store.Ref
	for e, err := range timeline.Events(info.First, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		if ref := e.Ref(); e.IsObject() && !seen[ref] && (len(but) == 0 || ref.Resource.Resource != but[0]) {
			seen[ref] = true
			refs = append(refs, ref)
		}
	}
	return refs
}

func TestChangesAreTheDifferencesOfVersions(t *testing.T) {
	replaytest.Recordings(t, func(t *testing.T, _ string, r *store.Recording) {
		n := 0
		for _, ref := range everyObject(t, r, "events") {
			n += checkChanges(t, r, ref)
		}
		if n < 10 {
			t.Errorf("only %d changes", n)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		m := replaytest.RandomRecording(t)
		for _, ref := range everyObject(t, m) {
			checkChanges(t, m, ref)
		}
	})
}

// A diff of two instants is what the objects say at both, and nothing else.
func TestDiffIsWhatObjectsSay(t *testing.T) {
	replaytest.Recordings(t, func(t *testing.T, _ string, r *store.Recording) {
		info, cursor := r.Info(), replay.NewCursor(r)
		for _, part := range [][2]store.Seq{{60, 70}, {60, 99}, {50, 51}} {
			from, err := cursor.Seek(info.Last * part[0] / 100)
			if err != nil {
				t.Fatal(err)
			}
			to, err := cursor.Seek(info.Last * part[1] / 100)
			if err != nil {
				t.Fatal(err)
			}
			items, err := Diff(from, to, replaytest.Web)
			if err != nil {
				t.Fatal(err)
			}
			differs := map[string]bool{}
			for _, d := range items {
				differs[d.Subject.Kind+" "+d.Subject.Namespace+"/"+d.Subject.Name] = true
				ref := store.Ref{Resource: schema.GroupVersionResource{Group: d.Subject.Group, Version: d.Subject.Version, Resource: resourceOf(r, d.Subject.Kind)}, Namespace: d.Subject.Namespace, Name: d.Subject.Name}
				before, after := from.Get(ref), to.Get(ref)
				if exists := before != nil && (after == nil || before.UID == after.UID); exists != (d.Verb != change.Created) {
					t.Errorf("%s %s, and it existed before: %t", d.Verb, ref.Name, exists)
				}
				if (after != nil) != (d.Verb != change.Deleted) {
					t.Errorf("%s %s, and it exists after: %t", d.Verb, ref.Name, after != nil)
				}
				for _, f := range d.Fields {
					if ref.Resource.Resource == "secrets" {
						break
					}
					if diff := cmp.Diff([]any{change.ValueAt(change.Decode(before), f.Steps), change.ValueAt(change.Decode(after), f.Steps)}, []any{f.Old, f.New}); diff != "" {
						t.Errorf("%s %s (-objects +diff):\n%s", ref.Name, f.Path, diff)
					}
				}
			}
			// The subject itself is never left out.
			if before, after := from.Get(replaytest.Web), to.Get(replaytest.Web); before != nil && after != nil {
				if told := len(change.Meaningful(after, change.Diff(change.Decode(before), change.Decode(after)))) > 0; told != differs["Service shop/web"] {
					t.Errorf("Service web differs: %t, said so: %t", told, differs["Service shop/web"])
				}
			}
		}
	})
}

func resourceOf(r *store.Recording, kind string) string {
	for _, known := range r.Info().Resources {
		if known.Kind == kind {
			return known.Name
		}
	}
	return kind
}
