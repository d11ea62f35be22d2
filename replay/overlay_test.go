package replay

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

func TestOverlay(t *testing.T) {
	m := store.NewMemory(store.Header{Start: start})
	tell(t, m, 0, watch.Added, podResource, "a", "ua", "metadata: {labels: {app: web}}")
	tell(t, m, time.Second, watch.Added, podResource, "b", "ub", "metadata: {labels: {app: web}}")
	changed := tell(t, m, 2*time.Second, watch.Modified, podResource, "a", "ua", "metadata: {labels: {app: other}}")
	s, err := NewCursor(m).Last()
	if err != nil {
		t.Fatal(err)
	}
	ref := store.Ref{Resource: podResource, Namespace: "shop", Name: "a"}
	first := (&reach{state: s}).before(ref, changed)
	v := newOverlay(s)
	v.put(ref, first, changed)
	v.put(store.Ref{Resource: podResource, Namespace: "shop", Name: "b"}, nil, 1)
	list := func(view analyzer.View) []string {
		var got []string
		for _, o := range view.List(store.Query{Resource: podResource, Namespace: "shop", Labels: map[string]string{"app": "web"}}) {
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
	if v.Get(store.Ref{Resource: podResource, Namespace: "shop", Name: "b"}) != nil {
		t.Error("b is there")
	}
}
