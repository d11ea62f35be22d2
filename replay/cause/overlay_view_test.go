package cause

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

func TestOverlay(t *testing.T) {
	m := store.NewMemory(store.Header{Start: replaytest.Start})
	replaytest.Append(t, m, 0, watch.Added, replay.Pods, "a", "ua", "metadata: {labels: {app: web}}")
	replaytest.Append(t, m, time.Second, watch.Added, replay.Pods, "b", "ub", "metadata: {labels: {app: web}}")
	changed := replaytest.Append(t, m, 2*time.Second, watch.Modified, replay.Pods, "a", "ua", "metadata: {labels: {app: other}}")
	s, err := replay.NewCursor(m).Last()
	if err != nil {
		t.Fatal(err)
	}
	ref := store.Ref{Resource: replay.Pods, Namespace: "shop", Name: "a"}
	first := (&Relations{State: s}).before(ref, changed)
	v := newOverlay(s)
	v.put(ref, first, changed)
	v.put(store.Ref{Resource: replay.Pods, Namespace: "shop", Name: "b"}, nil, 1)
	list := func(view analyzer.View) []string {
		var got []string
		for _, o := range view.List(store.Query{Resource: replay.Pods, Namespace: "shop", Labels: map[string]string{"app": "web"}}) {
			got = append(got, o.Name)
		}
		return got
	}
	if diff := cmp.Diff([]string{"b"}, list(s)); diff != "" {
		t.Errorf("the state (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a"}, list(v)); diff != "" {
		t.Errorf("the overlay (-want +got):\n%s", diff)
	}
	if got := len(v.History(ref)); got != 1 {
		t.Errorf("%d versions of a in the overlay, want only the first", got)
	}
	if v.Get(store.Ref{Resource: replay.Pods, Namespace: "shop", Name: "b"}) != nil {
		t.Error("b is there")
	}
}
