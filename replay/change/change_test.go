package change

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

func TestFields(t *testing.T) {
	tests := []struct {
		name, before, after string
		want                []string
	}{
		{"a plain field", "spec: {replicas: 3}", "spec: {replicas: 0}", []string{"/spec/replicas 3 -> 0"}},
		{"a field that appears", "spec: {selector: {app: web}}", "spec: {selector: {app: web, tier: backend}}", []string{"/spec/selector/tier  -> backend"}},
		{"a part that goes as a whole", "spec: {a: {b: 1, c: 2}}", "spec: {}", []string{`/spec/a {"b":1,"c":2} -> `}},
		{
			"containers by name, in any order", "containers: [{name: a, image: x}, {name: b, image: w}]", "containers: [{name: b, image: z}, {name: a, image: x}]",
			[]string{"/containers[name=b]/image w -> z"},
		},
		{
			"container ports by port and protocol, not by their name", "ports: [{name: http, containerPort: 80, protocol: TCP}]", "ports: [{name: web, containerPort: 80, protocol: TCP}]",
			[]string{"/ports[containerPort=80,protocol=TCP]/name http -> web"},
		},
		{
			"service ports", "ports: [{port: 80, protocol: TCP, targetPort: http}]", "ports: [{port: 80, protocol: TCP, targetPort: web}, {port: 81, protocol: UDP}]",
			[]string{"/ports[port=80,protocol=TCP]/targetPort http -> web", `/ports[port=81,protocol=UDP]  -> {"port":81,"protocol":"UDP"}`},
		},
		{"conditions by type", "conditions: [{type: Ready, status: 'True'}]", "conditions: [{type: Synced, status: 'True'}, {type: Ready, status: 'False'}]", []string{
			"/conditions[type=Ready]/status True -> False", `/conditions[type=Synced]  -> {"status":"True","type":"Synced"}`,
		}},
		{"taints by key and effect", "taints: [{key: a, effect: NoSchedule}]", "taints: [{key: a, effect: NoExecute}]", []string{
			`/taints[key=a,effect=NoExecute]  -> {"effect":"NoExecute","key":"a"}`, `/taints[key=a,effect=NoSchedule] {"effect":"NoSchedule","key":"a"} -> `,
		}},
		{"a set", "finalizers: [a, b]", "finalizers: [b, c]", []string{"/finalizers[a] a -> ", "/finalizers[c]  -> c"}},
		{"a list without keys, by place", "args: [a, b]", "args: [a, c, d]", []string{"/args[1] b -> c", "/args[2]  -> d"}},
		{"two elements of one key fall back to places", "env: [{name: A, value: x}, {name: A, value: w}]", "env: [{name: A, value: x}, {name: A, value: z}]", []string{"/env[1]/value w -> z"}},
		{"keys with slashes", "annotations: {a/b: x}", "annotations: {a/b: z}", []string{"/annotations[a/b] x -> z"}},
		{"null and empty are nothing", "spec: {ports: null, selector: {}, args: []}", "spec: {}", nil},
		{"another type", "spec: {a: [1]}", "spec: {a: {b: 1}}", []string{`/spec/a [1] -> {"b":1}`}},
		{"nothing", "spec: {a: 1}", "spec: {a: 1}", nil},
	}
	for _, tt := range tests {
		var got []string
		for _, f := range Diff(replaytest.YAML(t, tt.before), replaytest.YAML(t, tt.after)) {
			got = append(got, fmt.Sprintf("%s %s -> %s", f.Path, Text(f.Old), Text(f.New)))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Putting the old values back gives the old object, whatever the two are.
func TestUndoingFieldsGivesTheOldObject(t *testing.T) {
	leaf := rapid.OneOf(rapid.Just[any](nil), rapid.Map(rapid.IntRange(0, 3), func(n int) any { return float64(n) }), rapid.Map(rapid.SampledFrom([]string{"x", "y"}), func(s string) any { return s }))
	var tree func(depth int) *rapid.Generator[any]
	tree = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return leaf
		}
		named := rapid.Custom(func(t *rapid.T) any {
			var list []any
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.ID).Draw(t, "names") {
				list = append(list, map[string]any{"name": name, "spec": tree(depth-1).Draw(t, "spec")})
			}
			return list
		})
		return rapid.OneOf(leaf, rapid.Custom(func(t *rapid.T) any {
			m := map[string]any{}
			for _, key := range []string{"spec", "a/b"} {
				if v := tree(depth-1).Draw(t, key); v != nil {
					m[key] = v
				}
			}
			m["containers"] = named.Draw(t, "containers")
			return m
		}))
	}
	rapid.Check(t, func(t *rapid.T) {
		before, after := tree(3).Draw(t, "before"), tree(3).Draw(t, "after")
		undone := after
		for _, f := range Diff(before, after) {
			undone = set(undone, f.Steps, f.Old)
		}
		if rest := Diff(before, undone); len(rest) > 0 {
			t.Errorf("still different after undoing: %+v", rest)
		}
	})
}

func TestWriterOf(t *testing.T) {
	at := func(s int) *metav1.Time {
		return &metav1.Time{Time: replaytest.Start.Add(time.Duration(s) * time.Second)}
	}
	entry := func(manager, sub string, s int, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: sub, Time: at(s), FieldsV1: metav1.NewFieldsV1(fields)}
	}
	timeless := func(e metav1.ManagedFieldsEntry) metav1.ManagedFieldsEntry {
		e.Time = nil
		return e
	}
	const image = `{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}`
	const ports = `{"f:spec":{"f:ports":{"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:name":{}}}}}`
	tests := []struct {
		name          string
		before, after []metav1.ManagedFieldsEntry
		old, now      string
		want          string
	}{
		{
			"who owns the field",
			[]metav1.ManagedFieldsEntry{entry("apply", "", 1, image)},
			[]metav1.ManagedFieldsEntry{entry("apply", "", 1, `{"f:spec":{"f:replicas":{}}}`), entry("kubectl-set", "", 5, image)},
			"spec: {containers: [{name: web, image: a}]}", "spec: {containers: [{name: web, image: b}]}", "kubectl-set",
		},
		{
			"numbers select list elements", nil,
			[]metav1.ManagedFieldsEntry{entry("other", "", 5, `{"f:metadata":{"f:labels":{}}}`), entry("patch", "", 5, ports)},
			"spec: {ports: [{containerPort: 8080, protocol: TCP, name: http}]}", "spec: {ports: [{containerPort: 8080, protocol: TCP, name: web}]}", "patch",
		},
		{
			"a field that was removed: the manager that wrote then",
			[]metav1.ManagedFieldsEntry{entry("apply", "", 1, `{"f:spec":{"f:selector":{}}}`)},
			[]metav1.ManagedFieldsEntry{entry("apply", "", 9, `{"f:spec":{"f:selector":{}}}`)},
			"spec: {selector: {app: web, tier: b}}", "spec: {selector: {app: web}}", "apply",
		},
		{
			"a field taken away without a trace: nobody",
			[]metav1.ManagedFieldsEntry{entry("apply", "", 1, `{"f:spec":{"f:replicas":{}}}`)},
			[]metav1.ManagedFieldsEntry{entry("apply", "", 1, `{"f:spec":{"f:paused":{}}}`)},
			"spec: {replicas: 3}", "spec: {replicas: 0}", "",
		},
		{
			"the status is the kubelet's",
			[]metav1.ManagedFieldsEntry{entry("kubelet", "status", 1, `{"f:status":{"f:phase":{}}}`)},
			[]metav1.ManagedFieldsEntry{entry("apply", "", 9, `{"f:spec":{}}`), entry("kubelet", "status", 9, `{"f:status":{"f:phase":{}}}`)},
			"status: {phase: Pending}", "status: {phase: Running}", "kubelet",
		},
		{
			"the scale subresource leaves no time",
			[]metav1.ManagedFieldsEntry{entry("apply", "", 1, `{"f:spec":{"f:replicas":{},"f:template":{}}}`)},
			[]metav1.ManagedFieldsEntry{entry("apply", "", 1, `{"f:spec":{"f:template":{}}}`), timeless(entry("kubectl", "scale", 1, `{"f:spec":{"f:replicas":{}}}`))},
			"spec: {replicas: 3}", "spec: {replicas: 0}", "kubectl",
		},
		{
			"a timeless entry that owned the field before says nothing of this write",
			[]metav1.ManagedFieldsEntry{timeless(entry("kubectl", "scale", 1, `{"f:spec":{"f:replicas":{}}}`))},
			[]metav1.ManagedFieldsEntry{timeless(entry("kubectl", "scale", 1, `{"f:spec":{"f:replicas":{}}}`))},
			"spec: {replicas: 3}", "spec: {replicas: 0}", "",
		},
		{
			"a field that is new in an entry of an unchanged second is its writer's",
			[]metav1.ManagedFieldsEntry{entry("edit", "", 1, `{"f:spec":{"f:paused":{}}}`), entry("apply", "", 1, `{"f:spec":{"f:replicas":{}}}`)},
			[]metav1.ManagedFieldsEntry{entry("edit", "", 1, `{"f:spec":{"f:paused":{},"f:replicas":{}}}`), entry("apply", "", 1, `{"f:spec":{}}`)},
			"spec: {replicas: 3}", "spec: {replicas: 0}", "edit",
		},
		{
			"a write that left no entry is not its former owner's",
			[]metav1.ManagedFieldsEntry{entry("kubectl-client-side-apply", "", 1, `{"f:spec":{"f:replicas":{}}}`)},
			[]metav1.ManagedFieldsEntry{entry("kubectl-client-side-apply", "", 1, `{"f:spec":{"f:replicas":{}}}`)},
			"spec: {replicas: 3}", "spec: {replicas: 0}", "",
		},
		{
			"two writes of one second",
			[]metav1.ManagedFieldsEntry{entry("edit", "", 9, `{"f:spec":{"f:replicas":{}}}`)},
			[]metav1.ManagedFieldsEntry{entry("edit", "", 9, `{"f:spec":{"f:replicas":{}}}`)},
			"spec: {replicas: 3}", "spec: {replicas: 0}", "edit",
		},
		{
			"a binding has no entry: nobody",
			[]metav1.ManagedFieldsEntry{entry("kube-controller-manager", "", 1, `{"f:spec":{"f:containers":{}}}`)},
			[]metav1.ManagedFieldsEntry{entry("kube-controller-manager", "", 1, `{"f:spec":{"f:containers":{}}}`)},
			"spec: {containers: [{name: web}]}", "spec: {containers: [{name: web}], nodeName: n1}", "",
		},
		{"no managedFields", nil, nil, "spec: {a: 1}", "spec: {a: 2}", ""},
		{"damaged managedFields", nil, []metav1.ManagedFieldsEntry{entry("x", "", 1, `{"f:spec":[`)}, "spec: {a: 1}", "spec: {a: 2}", ""},
	}
	for _, tt := range tests {
		got := ""
		w := WriterOf(&metav1.ObjectMeta{ManagedFields: tt.before}, &metav1.ObjectMeta{ManagedFields: tt.after}, Diff(replaytest.YAML(t, tt.old), replaytest.YAML(t, tt.now)), replaytest.Start.Add(10*time.Second))
		if w != nil {
			got = w.Manager
		}
		if tt.name == "damaged managedFields" {
			got = "" // it may be named as the only one that wrote; it must not panic
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestChanges(t *testing.T) {
	m := store.NewMemory(store.Header{Start: replaytest.Start})
	s := func(n int) time.Duration { return time.Duration(n) * time.Second }
	old := `metadata: {creationTimestamp: "2020-01-01T00:00:00Z"}`
	replaytest.Append(t, m, s(0), watch.Added, replay.Services, "web", "u1", "kind: Service\nspec: {selector: {app: web}}\n"+old) // was there before
	replaytest.Append(t, m, s(2), watch.Modified, replay.Services, "web", "u1", "kind: Service\nspec: {selector: {app: wbe}}\n"+old)
	replaytest.Append(t, m, s(3), watch.Modified, replay.Services, "web", "u1", "kind: Service\nspec: {selector: {app: wbe}}\nmetadata: {creationTimestamp: \"2020-01-01T00:00:00Z\", resourceVersion: '9', generation: 7}") // says nothing
	replaytest.Append(t, m, s(4), watch.Added, replay.Services, "web", "u1", "kind: Service\nspec: {selector: {app: web}}\n"+old)                                                                                            // listed anew
	replaytest.Append(t, m, s(5), watch.Deleted, replay.Services, "web", "u1", "kind: Service\n"+old)
	replaytest.Append(t, m, s(6), watch.Added, replay.Services, "web", "u2", "kind: Service\nspec: {selector: {app: web}}")
	replaytest.Append(t, m, s(7), watch.Added, replay.Services, "web", "u3", "kind: Service\nspec: {selector: {app: web}}") // u2 went unheard
	for i, e := range []store.Event{
		{Type: store.Relist, Resource: replay.Services},
		{Type: watch.Bookmark, Resource: replay.Services, Object: fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"true"}}}`, store.InitialEventsEnd)},
	} {
		e.Time = replaytest.Start.Add(s(8 + i))
		if _, err := m.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	show := func(changes []Change) []string {
		var got []string
		for _, c := range changes {
			line := fmt.Sprintf("#%d %s %s", c.Seq, c.String(), c.Origin)
			if !c.Earliest.IsZero() {
				line += fmt.Sprintf(", after +%v", c.Earliest.Sub(replaytest.Start))
			}
			got = append(got, line)
		}
		return got
	}
	want := []string{
		"#2 Service shop/web /spec/selector/app web -> wbe intent",
		"#4 Service shop/web /spec/selector/app wbe -> web intent, after +3s",
		"#5 Service shop/web deleted intent",
		"#6 Service shop/web created intent",
		"#7 Service shop/web deleted intent, after +6s",
		"#7 Service shop/web created intent",
		"#9 Service shop/web deleted intent, after +7s",
	}
	all, err := List(m, replaytest.Web, 0, m.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, show(all)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Part of it is the same as that part of all, wherever it begins.
	for after := range m.Info().Last {
		part, err := List(m, replaytest.Web, after, m.Info().Last)
		if err != nil {
			t.Fatal(err)
		}
		var rest []string
		for i, c := range all {
			if c.Seq > after {
				rest = append(rest, want[i])
			}
		}
		if diff := cmp.Diff(rest, show(part)); diff != "" {
			t.Errorf("after #%d (-want +got):\n%s", after, diff)
		}
	}
}

// Values of Secrets are shown only where redaction made tokens of them.
func TestSecretsStaySecret(t *testing.T) {
	m := store.NewMemory(store.Header{Start: replaytest.Start})
	const old = `metadata: {creationTimestamp: "2020-01-01T00:00:00Z"}`
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	replaytest.Append(t, m, 0, watch.Added, secrets, "db", "u", "data: {a: aHVudGVyMg==, b: ‹r:11›, c: x}\n"+old)
	last := replaytest.Append(t, m, time.Second, watch.Modified, secrets, "db", "u", "data: {a: bmV3, b: ‹r:22›, c: x}\n"+old)
	changes, err := List(m, store.Ref{Resource: secrets, Namespace: "shop", Name: "db"}, 1, last)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(changes[0].Fields)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"path":"/data/a","old":"‹hidden›","new":"‹hidden›"},{"path":"/data/b","old":"‹r:11›","new":"‹r:22›"}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWrites: what was done stands in the .ops of each incident; kubectl scale and
// kubectl delete leave no entry in managedFields.
func TestWrites(t *testing.T) {
	for name, want := range map[string][]string{
		"scale-to-zero":           {"Deployment/web updated /spec/replicas", "Deployment/web updated /spec/replicas"},
		"config-gone-then-scaled": {"ConfigMap/flags deleted /", "Deployment/web updated /spec/replicas", "Deployment/web updated /spec/replicas"},
	} {
		r, err := store.Open("../../fixtures/incidents/" + name + ".db")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		var got []string
		for c, err := range Writes(t.Context(), r, 0, r.Info().Last) {
			if err != nil {
				t.Fatal(err)
			}
			if c.Writer == nil {
				got = append(got, fmt.Sprintf("%s/%s %s %s", c.Subject.Kind, c.Subject.Name, c.Verb, c.Path))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestWritesInPieces: changes that did not fit into memory are the same when they are
// made anew, a few at a time.
func TestWritesInPieces(t *testing.T) {
	paths, err := filepath.Glob("../../fixtures/incidents/*.db")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for i, path := range paths {
		if testing.Short() && i%8 > 0 {
			continue
		}
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		list := func(room int) (all []string) {
			w := writesList{t: r, last: r.Info().Last, room: room, atOnce: 3}
			if err := w.collect(t.Context()); err != nil {
				t.Fatal(err)
			}
			for c, err := range w.all(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal(c)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, string(text))
			}
			if pieces := w.changes == nil; pieces != (room == 0) && len(all) > 0 {
				t.Errorf("%s: room for %d bytes, %d changes in memory", path, room, len(w.changes))
			}
			return all
		}
		if diff := cmp.Diff(list(1<<30), list(0)); diff != "" {
			t.Errorf("%s (-in memory +in pieces):\n%s", path, diff)
		}
	}
}
