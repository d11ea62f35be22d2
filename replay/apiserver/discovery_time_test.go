package apiserver

import (
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// TestDiscoveryIsATimeline: a resource whose definition was deleted in the end is
// served at an instant before, and not after.
func TestDiscoveryIsATimeline(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	verbs := metav1.Verbs{"get", "list", "watch"}
	pods := metav1.APIResource{Version: "v1", Name: "pods", Kind: "Pod", Namespaced: true, Verbs: verbs}
	widgets := metav1.APIResource{Group: "example.com", Version: "v1", Name: "widgets", Kind: "Widget", Namespaced: true, Verbs: verbs}
	m := store.NewMemory(store.Header{ID: "gone", Start: start, Resources: []metav1.APIResource{widgets, pods}})
	gvr := schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
	cover := func(at int, resource schema.GroupVersionResource, c store.Coverage) {
		t.Helper()
		c.Time, c.Resource = start.Add(time.Duration(at)*time.Second), resource
		if _, err := m.Cover(c); err != nil {
			t.Fatal(err)
		}
	}
	cover(0, gvr, store.Coverage{Status: store.Current})
	cover(0, schema.GroupVersionResource{Version: "v1", Resource: "pods"}, store.Coverage{Status: store.Current})
	if _, err := m.Append(store.Event{
		Time: start.Add(time.Second), Type: watch.Added, Resource: gvr, Namespace: "shop", Name: "a", UID: "u", ResourceVersion: "5",
		Object: []byte(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop","uid":"u","resourceVersion":"5"}}`),
	}); err != nil {
		t.Fatal(err)
	}
	if err := m.Describe([]metav1.APIResource{pods}); err != nil {
		t.Fatal(err)
	}
	cover(10, gvr, store.Coverage{Status: store.NotRecorded, Reason: "the resource is no longer served"})
	if err := m.Commit(start.Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	s, err := New(m, Options{Token: "secret", Instants: []Instant{
		{Name: "end", Time: start.Add(20 * time.Second)}, {Name: "before", Time: start.Add(500 * time.Millisecond)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for path, want := range map[string]int{
		"/at/before/apis/example.com/v1/widgets": http.StatusOK,
		"/at/before/apis/example.com/v1":         http.StatusOK,
		"/at/before/api/v1/pods":                 http.StatusOK,
		"/at/end/apis/example.com/v1/widgets":    http.StatusNotFound,
		"/at/end/apis/example.com/v1":            http.StatusNotFound,
		"/at/end/api/v1/pods":                    http.StatusOK,
	} {
		if w := get(t, s, path, "application/json"); w.Code != want {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}
