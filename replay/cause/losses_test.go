package cause

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// On whose behalf a Pod was deleted, by what its owner does
// (k8s.io/kubernetes/pkg/controller/daemon and /statefulset).
func TestLossOfADeletedPod(t *testing.T) {
	const (
		pod = `
metadata:
  creationTimestamp: "2026-11-23T13:00:00Z"
  labels: {app: web, controller-revision-hash: web-1}
  ownerReferences: [{apiVersion: apps/v1, kind: KIND, name: web, uid: owner, controller: true}]
spec: {nodeName: n1}
status: {conditions: [{type: Ready, status: "True"}]}`
		daemonSet = `
metadata: {generation: 1, creationTimestamp: "2026-11-23T13:00:00Z"}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {nodeSelector: {role: agent}}}}`
		anywhere = `
metadata: {generation: 1, creationTimestamp: "2026-11-23T13:00:00Z"}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}}}`
		onDelete = `
metadata: {creationTimestamp: "2026-11-23T13:00:00Z"}
spec: {replicas: 1, updateStrategy: {type: OnDelete}, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}}}
status: {updateRevision: web-2}`
		labelled, bare = `metadata: {labels: {role: agent}}`, `metadata: {labels: {}}`
	)
	rolling := strings.Replace(onDelete, "OnDelete", "RollingUpdate", 1)
	for _, tt := range []struct {
		name, kind, owner, node, then string
		want                          string
	}{
		{"a label taken from the Node", "DaemonSet", daemonSet, labelled, bare, "scale"},
		{"by hand", "DaemonSet", daemonSet, labelled, labelled, "manual"},
		{"a label nobody asks for", "DaemonSet", anywhere, labelled, bare, "manual"},
		{"an update", "StatefulSet", rolling, labelled, labelled, "rollout"},
		{"an update that waits for somebody to delete", "StatefulSet", onDelete, labelled, labelled, "manual"},
	} {
		m := store.NewMemory(store.Header{Start: replaytest.Start})
		add := func(at time.Duration, typ watch.EventType, ref store.Ref, uid, text string) store.Seq {
			if ref.Namespace != "" {
				return replaytest.Append(t, m, at, typ, ref.Resource, ref.Name, uid, text)
			}
			object := replaytest.YAML(t, text).(map[string]any)
			object["metadata"].(map[string]any)["name"] = ref.Name
			data, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			seq, err := m.Append(store.Event{Time: replaytest.Start.Add(at), Type: typ, Resource: ref.Resource, Name: ref.Name, UID: types.UID(uid), Object: data})
			if err != nil {
				t.Fatal(err)
			}
			return seq
		}
		node, owner := store.Ref{Resource: replay.Nodes, Name: "n1"}, store.Ref{Resource: replay.Workloads[tt.kind], Namespace: "shop", Name: "web"}
		ref := store.Ref{Resource: replay.Pods, Namespace: "shop", Name: "web-0"}
		add(time.Second, watch.Added, node, "node", tt.node)
		add(time.Second, watch.Added, owner, "owner", tt.owner)
		text := strings.Replace(pod, "KIND", tt.kind, 1)
		add(time.Second, watch.Added, ref, "pod", text)
		add(10*time.Second, watch.Modified, node, "node", tt.then)
		add(11*time.Second, watch.Modified, ref, "pod", strings.Replace(text, "labels:", "deletionTimestamp: \"2026-11-23T14:00:41Z\"\n  labels:", 1))
		s, err := replay.NewCursor(m).Last()
		if err != nil {
			t.Fatal(err)
		}
		r := RelationsOf(s, owner)
		if class, note := r.deletion(ref, s.Get(ref)); class != tt.want {
			t.Errorf("%s: %s (%s), want %s", tt.name, class, note, tt.want)
		}
	}
}
