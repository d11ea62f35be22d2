package cause

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// TestUndoLeavesWhatCameLater undoes the first of several writes to a Service:
// what was written or deleted later stays.
func TestUndoLeavesWhatCameLater(t *testing.T) {
	const old = "kind: Service\nmetadata: {creationTimestamp: \"2020-01-01T00:00:00Z\"}\n"
	web := replaytest.Web
	tests := []struct {
		name  string
		later func(m *store.Memory)
		want  string // selector and type once the first write is undone; "" if nothing of it is left to undo
	}{
		{"nothing", func(*store.Memory) {}, "web "},
		{"another field", func(m *store.Memory) {
			replaytest.Append(t, m, 3*time.Second, watch.Modified, web.Resource, "web", "u", old+"spec: {selector: {app: wbe}, type: NodePort}")
		}, "web NodePort"},
		{"the same field", func(m *store.Memory) {
			replaytest.Append(t, m, 3*time.Second, watch.Modified, web.Resource, "web", "u", old+"spec: {selector: {app: other}}")
		}, ""},
		{"a deletion", func(m *store.Memory) {
			replaytest.Append(t, m, 3*time.Second, watch.Deleted, web.Resource, "web", "u", old+"spec: {selector: {app: wbe}}")
		}, ""},
	}
	for _, tt := range tests {
		m := store.NewMemory(store.Header{Start: replaytest.Start})
		replaytest.Append(t, m, time.Second, watch.Added, web.Resource, "web", "u", old+"spec: {selector: {app: web}}")
		first := replaytest.Append(t, m, 2*time.Second, watch.Modified, web.Resource, "web", "u", old+"spec: {selector: {app: wbe}}")
		tt.later(m)
		s, err := replay.NewCursor(m).Last()
		if err != nil {
			t.Fatal(err)
		}
		changes, err := change.List(m, web, first-1, first)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%d changes, %v", len(changes), err)
		}
		got := ""
		if v := newOverlay(s); v.revert(&changes[0]) {
			spec, _ := change.Decode(v.Get(web)).(map[string]any)["spec"].(map[string]any)
			kind, _ := spec["type"].(string)
			got = spec["selector"].(map[string]any)["app"].(string) + " " + kind
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
