package story

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// ring records a Service for a minute, of which its window keeps the last seconds.
func ring(t *testing.T) *store.Recording {
	t.Helper()
	at := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "ring.db")
	w, err := store.Create(path, store.Header{ID: "ring", Start: at}, store.Window(8*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Cover(store.Coverage{Time: at, Resource: replay.Services, Status: store.Current})
	for second := 1; second <= 60 && err == nil; second++ {
		at = at.Add(time.Second)
		object := fmt.Appendf(nil, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"%d"},"spec":{"clusterIP":"None"}}`, second)
		_, err = w.Append(store.Event{Time: at, Type: watch.Modified, Resource: replay.Services, Namespace: "shop", Name: "web", UID: "u", Object: object})
		if err == nil {
			err = w.Commit(at)
		}
	}
	if err == nil {
		_, err = w.Seal(at)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if r.Info().First <= 1 {
		t.Fatal("the ring has dropped nothing")
	}
	return r
}

// Before the window of a ring there are positions, but no instants: the verdicts
// go on at its beginning, and do not wait there.
func TestVerdictsOfARing(t *testing.T) {
	r := ring(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	info := r.Info()
	web := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
	segments, err := verdict.Of(ctx, r, web, info.Start, info.End)
	if err != nil {
		t.Fatal(err)
	}
	if last := segments[len(segments)-1]; !last.To.Equal(info.End) {
		t.Errorf("the verdicts end at %s, not at %s", last.To, info.End)
	}
	if _, err := ClosureOf(ctx, r, []store.Ref{web}, info.Start, info.End, true, nil); err != nil {
		t.Errorf("closure: %v", err)
	}
}
