// Package replaytest has what tests of several packages need: the recorded
// incidents, what was done in them, and recordings made at random.
package replaytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	recorded "github.com/svcspy/svcspy/fixtures/late"
	"github.com/svcspy/svcspy/store"
)

// Start is when recordings made by tests begin.
var Start = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

var (
	serviceKind    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	podKind        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodeKind       = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	sliceKind      = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
	deploymentKind = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	replicaSetKind = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
)

// Folder is the folder of the recorded incidents, seen from the folder of
// the package under test.
func Folder(t testing.TB) string {
	t.Helper()
	for _, up := range []string{"..", "../.."} {
		dir := filepath.Join(up, "fixtures", "incidents")
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	t.Fatal("fixtures/incidents is not there")
	return ""
}

// timed is a timeline whose positions have times.
type timed interface {
	Info() store.Info
	TimeOf(seq store.Seq) (time.Time, error)
}

var Web = store.Ref{Resource: serviceKind, Namespace: "shop", Name: "web"}

// Recordings opens every recorded incident.
func Recordings(t *testing.T, each func(t *testing.T, name string, r *store.Recording)) {
	t.Helper()
	paths, err := filepath.Glob(Folder(t) + "/*.db")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".db")
		t.Run(name, func(t *testing.T) {
			r, err := store.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			each(t, name, r)
		})
	}
}

// Instants returns the moments at which something was heard, and those a second
// apart between them: graces end without an event.
func Instants(t T, timeline timed, last store.Seq) []time.Time {
	info := timeline.Info()
	at := []time.Time{info.Start}
	add := func(to time.Time) {
		for next := at[len(at)-1].Add(time.Second); next.Before(to); next = next.Add(time.Second) {
			at = append(at, next)
		}
		if to.After(at[len(at)-1]) {
			at = append(at, to)
		}
	}
	for seq := max(info.First, 1); seq <= last; seq++ {
		heard, err := timeline.TimeOf(seq)
		if err != nil {
			t.Fatal(err)
		}
		add(heard)
	}
	add(info.End)
	return at
}

type T interface {
	Fatal(args ...any)
	Errorf(format string, args ...any)
}

// RandomRecording is a cluster of few objects, to which much happens: Pods come,
// change their readiness and labels, and go; slices follow or do not; selectors
// are edited; streams break and are listed anew.
func RandomRecording(t *rapid.T) *store.Memory {
	m := store.NewMemory(store.Header{ID: "random", Start: Start})
	at := Start
	rv := 0
	kinds := []schema.GroupVersionResource{serviceKind, podKind, nodeKind, sliceKind, deploymentKind, replicaSetKind}
	for _, k := range kinds {
		if _, err := m.Cover(store.Coverage{Time: at, Resource: k, Status: store.Current}); err != nil {
			t.Fatal(err)
		}
	}
	live := map[store.Ref]bool{}
	say := func(resource schema.GroupVersionResource, namespace, name, body string, deleted bool) {
		ref := store.Ref{Resource: resource, Namespace: namespace, Name: name}
		typ := watch.Added
		switch {
		case deleted && !live[ref]:
			return
		case deleted:
			typ = watch.Deleted
		case live[ref]:
			typ = watch.Modified
		}
		live[ref] = !deleted
		rv++
		meta := fmt.Sprintf(`"namespace":%q,"name":%q,"uid":"%s-%s","resourceVersion":"%d","creationTimestamp":%q`, namespace, name, resource.Resource, name, rv, Start.Format(time.RFC3339))
		object := strings.Replace(body, `"metadata":{`, `"metadata":{`+meta+`,`, 1)
		object = strings.Replace(object, `,}`, `}`, 1)
		_, err := m.Append(store.Event{
			Time: at, Type: typ, Resource: resource, Namespace: namespace, Name: name,
			UID: types.UID(resource.Resource + "-" + name), ResourceVersion: fmt.Sprint(rv), Object: []byte(object),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	steps := rapid.IntRange(1, 25).Draw(t, "steps")
	for range steps {
		at = at.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 300, 1500, 8000, 40000}).Draw(t, "after")) * time.Millisecond)
		pod := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "pod")
		truth := rapid.SampledFrom([]string{"True", "False"}).Draw(t, "ready")
		gone := rapid.IntRange(0, 5).Draw(t, "gone") == 0
		label := rapid.SampledFrom([]string{"web", "web", "wbe"}).Draw(t, "label")
		switch rapid.IntRange(0, 6).Draw(t, "what") {
		case 0:
			say(serviceKind, "shop", "web", fmt.Sprintf(`{"metadata":{},"spec":{"clusterIP":"10.0.0.1","type":"ClusterIP","ipFamilies":["IPv4"],"selector":{"app":%q},"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":8080}]}}`, label), gone)
		case 1, 2:
			say(podKind, "shop", pod, fmt.Sprintf(`{"metadata":{"labels":{"app":%q},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"replicasets-web-1","controller":true}]},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"i","readinessProbe":{"httpGet":{"port":8080},"periodSeconds":1}}]},"status":{"phase":"Running","podIP":"10.1.0.%d","podIPs":[{"ip":"10.1.0.%[2]d"}],"conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":%[3]q,"lastTransitionTime":%[4]q},{"type":"ContainersReady","status":%[3]q}],"containerStatuses":[{"name":"c","ready":%[5]t,"started":true,"state":{"running":{"startedAt":%[4]q}}}]}}`,
				label, pod[0], truth, at.Format(time.RFC3339), truth == "True"), gone)
		case 3:
			say(sliceKind, "shop", "web-x", fmt.Sprintf(`{"metadata":{"labels":{"kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"},"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"web","uid":"services-web","controller":true}]},"addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],"endpoints":[{"addresses":["10.1.0.%d"],"conditions":{"ready":%t,"serving":%[2]t},"nodeName":"n1","targetRef":{"kind":"Pod","namespace":"shop","name":%[3]q,"uid":"pods-%[4]s"}}]}`, pod[0], truth == "True", pod, pod), gone)
		case 4:
			say(nodeKind, "", "n1", fmt.Sprintf(`{"metadata":{},"status":{"conditions":[{"type":"Ready","status":%q,"lastHeartbeatTime":%q}]}}`, truth, at.Format(time.RFC3339)), gone)
		case 5:
			n := rapid.IntRange(0, 3).Draw(t, "replicas")
			say(deploymentKind, "shop", "web", fmt.Sprintf(`{"metadata":{"generation":1},"spec":{"replicas":%d,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}}}},"status":{"observedGeneration":1,"replicas":%[1]d}}`, n), gone)
			say(replicaSetKind, "shop", "web-1", fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"deployments-web","controller":true}]},"spec":{"replicas":%d,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}}}}}`, n), gone)
		case 6:
			k := rapid.SampledFrom(kinds).Draw(t, "kind")
			why := rapid.SampledFrom([]string{"410 Gone", store.NoAnswer(4 * time.Second), "unexpected EOF; " + store.NothingHeard(20*time.Second)}).Draw(t, "why")
			for _, c := range []store.Coverage{{Status: store.Gap, Reason: why}, {Status: store.Listing}} {
				c.Time, c.Resource = at, k
				if _, err := m.Cover(c); err != nil {
					t.Fatal(err)
				}
				at = at.Add(time.Second)
			}
			for _, e := range []store.Event{
				{Type: store.Relist},
				{Type: watch.Bookmark, Object: fmt.Appendf(nil, `{"metadata":{"resourceVersion":"%d","annotations":{%q:"true"}}}`, rv, store.InitialEventsEnd)},
			} {
				e.Time, e.Resource = at, k
				if _, err := m.Append(e); err != nil {
					t.Fatal(err)
				}
			}
			for ref := range live {
				if ref.Resource == k {
					live[ref] = false
				}
			}
			if _, err := m.Cover(store.Coverage{Time: at, Resource: k, Status: store.Current}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := m.Commit(at.Add(90 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return m
}

// Subject reads whom an incident is about.
func Subject(t testing.TB, name string) store.Ref {
	t.Helper()
	data, err := os.ReadFile(Folder(t) + "/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var incident struct{ Subject, Namespace string }
	if err := yaml.Unmarshal(data, &incident); err != nil {
		t.Fatal(err)
	}
	kind, object, _ := strings.Cut(incident.Subject, "/")
	resource, ok := map[string]schema.GroupVersionResource{
		"service": serviceKind, "deployment": deploymentKind, "statefulset": {Group: "apps", Version: "v1", Resource: "statefulsets"},
		"ingress": {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}, "httproute": {Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
	}[kind]
	if !ok {
		t.Fatalf("no resource for %s", incident.Subject)
	}
	return store.Ref{Resource: resource, Namespace: incident.Namespace, Name: object}
}

// Steps reads when the operations of an incident were performed: the second
// column onwards of its list, which fixtures/incidents describes.
func Steps(t testing.TB, name string) [][2]time.Time {
	t.Helper()
	data, err := os.ReadFile(Folder(t) + "/" + name + ".ops")
	if err != nil {
		t.Fatal(err)
	}
	var steps [][2]time.Time
	for line := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n") {
		columns := strings.Split(line, "\t")
		if len(columns) < 5 {
			continue // t0
		}
		from, err1 := time.Parse(time.RFC3339Nano, columns[0])
		to, err2 := time.Parse(time.RFC3339Nano, columns[1])
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, [2]time.Time{from, to})
	}
	return steps
}

// Late is the recording as it would have been if the recorder had been started
// at a position of it.
func Late(t testing.TB, full *store.Recording, from store.Seq) *store.Memory {
	t.Helper()
	h, err := recorded.Header(full, from)
	if err != nil {
		t.Fatal(err)
	}
	m := store.NewMemory(h)
	if err := recorded.Write(m, full, from); err != nil {
		t.Fatal(err)
	}
	return m
}

func Open(t testing.TB, name string) *store.Recording {
	t.Helper()
	r, err := store.Open(Folder(t) + "/" + name + ".db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// LateStarts are positions at which a recording may have been begun instead:
// shortly after each operation, later, and in between.
func LateStarts(t *testing.T, r *store.Recording, name string) []store.Seq {
	info := r.Info()
	var at []time.Time
	for _, step := range Steps(t, name) {
		at = append(at, step[1].Add(time.Second), step[1].Add(7*time.Second), step[1].Add(20*time.Second))
	}
	for i := range 4 {
		at = append(at, info.Start.Add(info.End.Sub(info.Start)*time.Duration(i+1)/5))
	}
	var seqs []store.Seq
	for _, instant := range at {
		seq, err := r.SeqAt(instant)
		if err != nil {
			t.Fatal(err)
		}
		if seq > 0 && instant.Before(info.End) && !slices.Contains(seqs, seq) && Listening(t, r, seq) {
			seqs = append(seqs, seq)
		}
	}
	if testing.Short() {
		seqs = seqs[:min(len(seqs), 2)]
	}
	return seqs
}

// Listening reports whether every stream was current: otherwise a recording that
// begins there begins with a list that is made later.
func Listening(t *testing.T, r *store.Recording, at store.Seq) bool {
	now := map[string]store.Status{}
	ledger, err := r.Ledger(0, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ledger {
		now[c.Resource.String()+" "+c.Namespace] = c.Status
	}
	for _, status := range now {
		if status != store.Current {
			return false
		}
	}
	return true
}

// value reads an object written in YAML.
func YAML(t testing.TB, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Append writes a version of an object, as YAML without its identity.
func Append(t *testing.T, m *store.Memory, after time.Duration, typ watch.EventType, resource schema.GroupVersionResource, name, uid, text string) store.Seq {
	t.Helper()
	v, _ := YAML(t, text).(map[string]any)
	if v == nil {
		v = map[string]any{}
	}
	metadata, _ := v["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["namespace"], metadata["name"], metadata["uid"] = "shop", name, uid
	if metadata["creationTimestamp"] == nil {
		metadata["creationTimestamp"] = Start.Add(after).Format(time.RFC3339)
	}
	v["metadata"] = metadata
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := m.Append(store.Event{Time: Start.Add(after), Type: typ, Resource: resource, Namespace: "shop", Name: name, UID: types.UID(uid), Object: data})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// Delay is how long after it was written a version may be heard, and how
// long after it happened a status may be written, on a busy machine.
const Delay = 3 * time.Second

func Clock(t time.Time) string { return t.Format("15:04:05.000") }
