package analyzer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/store"
)

// everything is the baseline with an object of most kinds that are read.
func everything() string {
	return baseline() + `
kind: Ingress
metadata: {name: web}
spec: {ingressClassName: nginx, rules: [{host: a.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]}
---
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {namespaceSelector: {}, podSelector: {}}], ports: [{port: http}, {port: 80, endPort: 90, protocol: TCP}]}], egress: [{to: [{podSelector: {}}]}]}
---
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 3}
status: {conditions: [{type: ScalingActive, status: "False", reason: FailedGetResourceMetric, message: no metrics}]}
---
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 3, selector: {matchLabels: {app: web}}}
status: {disruptionsAllowed: 0, observedGeneration: 1}
---
kind: Event
metadata: {name: web.1}
involvedObject: {kind: Pod, namespace: shop, name: web-a, uid: pod-web-a, fieldPath: "spec.containers{web}"}
reason: Unhealthy
message: "Readiness probe failed: HTTP probe failed with statuscode: 500"
lastTimestamp: $(5s)
---
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}
---
kind: ConfigMap
metadata: {name: web}
data: {MODE: normal}
---
kind: StatefulSet
metadata: {name: db}
spec: {replicas: 2, serviceName: web, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: db}]}}}
---
kind: DaemonSet
metadata: {name: agent}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: agent, image: agent}]}}}
status: {desiredNumberScheduled: 3, numberReady: 2}
---
kind: Lease
metadata: {name: kube-controller-manager, namespace: kube-system}
spec: {leaseDurationSeconds: 15, renewTime: "2026-11-23T14:00:00.000000Z"}
---`
}

// asked are subjects of every kind.
func asked() []store.Ref {
	var refs []store.Ref
	for _, s := range []struct{ kind, name string }{
		{"Service", "web"},
		{"Service", "alias"},
		{"Deployment", "web"},
		{"ReplicaSet", "web-1"},
		{"StatefulSet", "db"},
		{"DaemonSet", "agent"},
		{"Pod", "web-a"},
		{"Node", "n1"},
		{"Ingress", "web"},
		{"ConfigMap", "web"},
	} {
		k := kindsByName[s.kind]
		namespace := "shop"
		if k.cluster {
			namespace = ""
		}
		refs = append(refs, store.Ref{Resource: k.resource, Namespace: namespace, Name: s.name})
	}
	return refs
}

var everyOption = []Options{{}, {From: "pod/web-a", Symptom: "timeout"}, {From: "node/n2", Port: "http"}, {From: "10.0.0.9", Port: "99", Symptom: "refused"}}

// Objects in which anything may be missing, of the wrong type or absurd give
// some report, and a sound one.
func TestAbsurdObjects(t *testing.T) {
	bases := eventsOf(t, everything())
	rapid.Check(t, func(t *rapid.T) {
		events := slices.Clone(bases)
		for range rapid.IntRange(1, 4).Draw(t, "objects") {
			i := rapid.IntRange(0, len(events)-1).Draw(t, "which")
			var object any
			if err := json.Unmarshal(events[i].Object, &object); err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(1, 5).Draw(t, "changes") {
				object = absurd(t, object)
			}
			data, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			e := events[i]
			e.Object, e.Time = data, start.Add(20*time.Second)
			e.Type = rapid.SampledFrom([]watch.EventType{watch.Modified, watch.Modified, watch.Modified, watch.Deleted}).Draw(t, "type")
			events = append(events, e)
		}
		m := memoryOf(t, events)
		v := newView(m, m.Info().Last, start.Add(rapid.SampledFrom([]time.Duration{20 * time.Second, time.Minute, time.Hour}).Draw(t, "instant")))
		for _, subject := range asked() {
			for _, o := range everyOption {
				soundReport(t, Diagnose(v, subject, o))
			}
		}
	})
}

// eventsOf are the events of the objects of a YAML text.
func eventsOf(t testing.TB, text string) []store.Event {
	w := newWorld(t)
	w.apply(time.Second, text)
	var events []store.Event
	for seq := store.Seq(1); seq <= w.memory.Info().Last; seq++ {
		if e, err := w.memory.Event(seq); err == nil {
			events = append(events, e)
		}
	}
	return events
}

// memoryOf is a recording of events, with all kinds covered.
func memoryOf(t interface{ Fatal(...any) }, events []store.Event) *store.Memory {
	m := store.NewMemory(store.Header{ID: "test", Start: start})
	for _, k := range readKinds {
		if _, err := m.Cover(store.Coverage{Time: start, Resource: k.resource, Status: store.Current}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range events {
		if _, err := m.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// soundReport is checkReport for a rapid test.
func soundReport(t *rapid.T, r Report) {
	for _, list := range [][]Finding{r.Because, r.Also, r.Symptoms, r.Risks, r.Hints} {
		for _, f := range list {
			if registry.Known(f.ID) == nil || len(f.Evidence) == 0 {
				t.Fatalf("%s %s: %q is not in the catalogue or has no evidence", r.Subject.Kind, r.Subject.Name, f.ID)
			}
		}
	}
	if r.Headline.Message == "" || r.Verdict.State == "" {
		t.Fatalf("%s %s: incomplete: %+v", r.Subject.Kind, r.Subject.Name, r)
	}
}

// absurd changes something somewhere in a JSON value.
func absurd(t *rapid.T, value any) any {
	if rapid.IntRange(0, 4).Draw(t, "here") == 0 {
		return rapid.SampledFrom([]any{
			nil, "", "x", "\x1b[31m\u202e", strings.Repeat("long", 300), 0, -1, 65536, 1 << 31, 1e300, true,
			[]any{},
			map[string]any{},
			[]any{nil},
			map[string]any{"": nil},
			"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "25%", "web-a", "shop",
		}).Draw(t, "value")
	}
	switch v := value.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		if len(keys) == 0 {
			return v
		}
		slices.Sort(keys)
		k := rapid.SampledFrom(keys).Draw(t, "key")
		if rapid.IntRange(0, 5).Draw(t, "drop") == 0 {
			delete(v, k)
		} else {
			v[k] = absurd(t, v[k])
		}
		return v
	case []any:
		if len(v) == 0 {
			return v
		}
		i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
		if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
			return append(v, v[i])
		}
		v[i] = absurd(t, v[i])
		return v
	}
	return absurdLeaf(t)
}

func absurdLeaf(t *rapid.T) any {
	return rapid.SampledFrom([]any{nil, "", "http", -1, 8080, true, "True", "False"}).Draw(t, "leaf")
}

// FuzzDiagnose puts any bytes in the place of one object.
func FuzzDiagnose(f *testing.F) {
	bases := eventsOf(f, everything())
	for _, e := range bases {
		f.Add(uint8(slices.IndexFunc(readKinds, func(k kind) bool { return k.resource == e.Resource })), e.Name, e.Object)
	}
	f.Fuzz(func(t *testing.T, at uint8, name string, object []byte) {
		k := readKinds[int(at)%len(readKinds)]
		namespace := "shop"
		if k.cluster {
			namespace = ""
		}
		m := memoryOf(t, append(slices.Clone(bases), store.Event{
			Time: start.Add(20 * time.Second), Type: watch.Modified, Resource: k.resource, Namespace: namespace, Name: name,
			UID: types.UID("fuzz"), ResourceVersion: "999", Object: object,
		}))
		v := newView(m, m.Info().Last, start.Add(time.Minute))
		for _, subject := range asked() {
			checkReport(t, Diagnose(v, subject, Options{}))
		}
	})
}

// Chains that lead back to themselves end.
func TestCycles(t *testing.T) {
	w := newWorld(t)
	w.apply(time.Second, shop+`
kind: Service
metadata: {name: a}
spec: {type: ExternalName, externalName: b.shop.svc}
---
kind: Service
metadata: {name: b}
spec: {type: ExternalName, externalName: a.shop.svc.cluster.local.}
---
kind: ReplicaSet
metadata: {name: x, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: "y", uid: replicaset-y, controller: true}]}
spec: {replicas: 1, template: {metadata: {labels: {app: web}}}}
---
kind: ReplicaSet
metadata: {name: "y", ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: x, uid: replicaset-x, controller: true}]}
spec: {replicas: 1, template: {metadata: {labels: {app: web}}}}
---
kind: Pod
metadata: {name: p, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: x, uid: replicaset-x, controller: true}]}
spec: {nodeName: n1, containers: [{name: p, image: p}]}
---`+webService)
	for _, name := range []string{"a", "b", "web"} {
		r := Diagnose(w.at(30*time.Second), ref[corev1.Service](name), Options{})
		checkReport(t, r)
		if name != "web" && r.Headline.ID != "externalname-loop" && r.Headline.ID != "externalname-dead-target" {
			t.Errorf("Service %s: %s %s", name, r.Headline.ID, r.Headline.Message)
		}
	}
}

// A Service may have ten thousand ports.
func TestManyPorts(t *testing.T) {
	var ports strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&ports, "  - {name: p%d, port: %d, protocol: TCP, targetPort: http}\n", i, i+1)
	}
	w := newWorld(t)
	w.apply(time.Second, baseline())
	w.apply(2*time.Second, "kind: Service\nmetadata: {name: web}\nspec:\n  type: NodePort\n  externalTrafficPolicy: Local\n  clusterIP: 10.96.0.10\n  selector: {app: web}\n  ports:\n"+ports.String())
	r := Diagnose(w.at(30*time.Second), ref[corev1.Service]("web"), Options{})
	checkReport(t, r)
	if r.Verdict.State != NotServing && r.Verdict.State != PartiallyServing {
		t.Errorf("%s: %s", r.Verdict.State, r.Headline.Message)
	}
}
