package replay

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// TestSilence: the API server was heard last at second 10 and did not answer any
// more; the recorder noticed at second 35. No instant in between is covered,
// whoever asks, and what was before is.
func TestSilence(t *testing.T) {
	start := time.Date(2026, 11, 23, 19, 28, 0, 0, time.UTC)
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	m := store.NewMemory(store.Header{ID: "silent", Start: start})
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	cover := func(c store.Coverage) {
		t.Helper()
		if _, err := m.Cover(c); err != nil {
			t.Fatal(err)
		}
	}
	cover(store.Coverage{Time: at(0), Resource: Services, Status: store.Current})
	cover(store.Coverage{Time: at(0), Resource: pods, Status: store.Current})
	object := []byte(`{"metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"5"},"spec":{}}`)
	if _, err := m.Append(store.Event{Time: at(9), Type: watch.Added, Resource: Services, Namespace: "shop", Name: "web", UID: "u", Object: object}); err != nil {
		t.Fatal(err)
	}
	cover(store.Coverage{Time: at(35), Resource: Services, Status: store.Gap, Reason: store.NoAnswer(25 * time.Second)})
	cover(store.Coverage{Time: at(40), Resource: Services, Status: store.Current, Resumed: true})
	if err := m.Commit(at(60)); err != nil {
		t.Fatal(err)
	}
	cursor := NewCursor(m)
	for _, tt := range []struct {
		at   float64
		want store.Status
		from float64
	}{{5, store.Current, 0}, {10, store.Current, 0}, {10.1, store.Gap, 10}, {34.9, store.Gap, 10}, {36, store.Gap, 35}, {41, store.Current, 40}} {
		s, err := cursor.SeekTime(at(tt.at))
		if err != nil {
			t.Fatal(err)
		}
		c := s.Coverage(Services, "shop")
		if c.Status != tt.want || !c.Time.Equal(at(tt.from)) {
			t.Errorf("at second %v: %s since %s, want %s since second %v", tt.at, c.Status, c.Time.Sub(start), tt.want, tt.from)
		}
		again, err := CoverageAt(m, Services, "shop", s.Seq(), s.Instant())
		if err != nil || again != c {
			t.Errorf("at second %v: CoverageAt says %+v, %v, the state %+v", tt.at, again, err, c)
		}
		if c := s.Coverage(pods, "shop"); c.Status != store.Current {
			t.Errorf("at second %v: Pods are %s, which were heard all the time", tt.at, c.Status)
		}
	}
}
