package cause

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"

	corev1 "k8s.io/api/core/v1"
)

// That all Pods there are have what a template brought says nothing, unless others
// served without it.
func TestStructuralNeedsAContrast(t *testing.T) {
	const (
		set = `
metadata: {creationTimestamp: "2026-11-23T13:00:00Z"}
spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: IMAGE}]}}}`
		pod = `
metadata:
  creationTimestamp: "MADE"
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, uid: set, controller: true}]
spec: {containers: [{name: web, image: IMAGE}]}
status: {conditions: [{type: Ready, status: "READY"}]}`
	)
	of := func(text, image, ready, made string) string {
		return strings.NewReplacer("IMAGE", image, "READY", ready, "MADE", made).Replace(text)
	}
	for _, tt := range []struct {
		name, before string // READY of the Pod before
		want         bool
	}{
		{"the one before served", "True", true},
		{"nor did the one before", "False", false},
	} {
		m := store.NewMemory(store.Header{Start: replaytest.Start})
		owner, ref := store.Ref{Resource: replay.Workloads["StatefulSet"], Namespace: "shop", Name: "web"}, store.Ref{Resource: replay.Pods, Namespace: "shop", Name: "web-0"}
		add := func(at time.Duration, typ watch.EventType, ref store.Ref, uid, text string) store.Seq {
			return replaytest.Append(t, m, at, typ, ref.Resource, ref.Name, uid, text)
		}
		add(time.Second, watch.Added, owner, "set", of(set, "web:1", "", ""))
		add(time.Second, watch.Added, ref, "old", of(pod, "web:1", tt.before, "2026-11-23T13:00:00Z"))
		written := add(10*time.Second, watch.Modified, owner, "set", of(set, "web:2", "", ""))
		add(11*time.Second, watch.Deleted, ref, "old", of(pod, "web:1", tt.before, "2026-11-23T13:00:00Z"))
		add(12*time.Second, watch.Added, ref, "new", of(pod, "web:2", "False", "2026-11-23T14:00:12Z"))
		s, err := replay.NewCursor(m).Last()
		if err != nil {
			t.Fatal(err)
		}
		changes, err := change.List(m, owner, written-1, written)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%d changes, %v", len(changes), err)
		}
		c := &Case{Related: RelationsOf(s, owner), Root: "readiness-probe-failing"}
		c.pods.failing = []*corev1.Pod{c.Related.Pods["new"]}
		if note := c.Structural(&changes[0]); (note != "") != tt.want {
			t.Errorf("%s: %q", tt.name, note)
		}
	}
}
