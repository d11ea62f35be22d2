package store

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestResources: the discovery document at a position is the one that the
// cluster had then, in a file and in memory.
func TestResources(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	named := func(names ...string) (list []metav1.APIResource) {
		for _, n := range names {
			list = append(list, metav1.APIResource{Version: "v1", Name: n})
		}
		return list
	}
	header := Header{ID: "x", Start: start, Resources: named("pods")}
	path := filepath.Join(t.TempDir(), "a.db")
	w, err := Create(path, header)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMemory(header)
	for i, document := range [][]metav1.APIResource{named("pods", "widgets"), named("pods")} {
		for _, sink := range []interface {
			Cover(Coverage) (Seq, error)
			Describe([]metav1.APIResource) error
		}{w, m} {
			if _, err := sink.Cover(Coverage{Time: start.Add(time.Duration(i) * time.Second), Status: Current}); err != nil {
				t.Fatal(err)
			}
			if err := sink.Describe(document); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Seal(start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for at, want := range [][]metav1.APIResource{named("pods"), named("pods", "widgets"), named("pods"), named("pods")} {
		for _, reader := range []interface {
			Resources(Seq) ([]metav1.APIResource, error)
		}{r, m} {
			got, err := reader.Resources(Seq(at))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%T at %d: %v (-want +got)\n%s", reader, at, err, diff)
			}
		}
	}
}
