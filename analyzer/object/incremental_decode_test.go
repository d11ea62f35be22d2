package object

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/svcspy/svcspy/store"
)

// types are those of the objects that are decoded most.
var types = map[string]reflect.Type{
	"services": reflect.TypeFor[corev1.Service](), "pods": reflect.TypeFor[corev1.Pod](), "nodes": reflect.TypeFor[corev1.Node](),
	"namespaces": reflect.TypeFor[corev1.Namespace](), "events": reflect.TypeFor[corev1.Event](), "configmaps": reflect.TypeFor[corev1.ConfigMap](),
	"endpointslices": reflect.TypeFor[discoveryv1.EndpointSlice](), "leases": reflect.TypeFor[coordinationv1.Lease](),
	"deployments": reflect.TypeFor[appsv1.Deployment](), "replicasets": reflect.TypeFor[appsv1.ReplicaSet](), "statefulsets": reflect.TypeFor[appsv1.StatefulSet](),
	"daemonsets": reflect.TypeFor[appsv1.DaemonSet](), "ingresses": reflect.TypeFor[networkingv1.Ingress](),
}

// TestVersions decodes every version in every recording by looking at the one
// before it, and compares with decoding it alone.
func TestVersions(t *testing.T) {
	paths, err := filepath.Glob("../../fixtures/incidents/*.db")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	compared, shared := 0, 0
	for _, path := range paths {
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		type version struct {
			text  []byte
			value any
		}
		before := map[store.Ref]version{}
		for e, err := range r.Events(r.Info().First, r.Info().Last) {
			if err != nil {
				t.Fatal(err)
			}
			goType, known := types[e.Resource.Resource]
			if !known || !e.IsObject() {
				continue
			}
			want, got := reflect.New(goType), reflect.New(goType)
			if err := json.Unmarshal(e.Object, want.Interface()); err != nil {
				t.Fatal(err)
			}
			if was, ok := before[e.Ref()]; ok {
				if err := decodeVersion(e.Object, got.Interface(), was.text, was.value); err != nil {
					t.Fatalf("%s #%d: %v", path, e.Seq, err)
				}
				if !reflect.DeepEqual(got.Interface(), want.Interface()) {
					t.Fatalf("%s #%d: %s %s differs from what it is decoded to alone", path, e.Seq, goType, e.Name)
				}
				compared++
				if sharesLabels(got, reflect.ValueOf(was.value)) {
					shared++
				}
				want = got // so that what is shared is shared on and on
			}
			before[e.Ref()] = version{e.Object, want.Interface()}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d versions, %d share their labels with the one before", compared, shared)
	if compared < 1000 || shared < compared/10 {
		t.Errorf("only %d versions compared, %d of them share something", compared, shared)
	}
}

// sharesLabels reports whether two objects have the same map of labels in memory.
func sharesLabels(a, b reflect.Value) bool {
	labels := func(v reflect.Value) reflect.Value {
		if meta := v.Elem().FieldByName("ObjectMeta"); meta.IsValid() {
			return meta.FieldByName("Labels")
		}
		return reflect.Value{}
	}
	x, y := labels(a), labels(b)
	return x.IsValid() && y.IsValid() && x.Len() > 0 && x.Pointer() == y.Pointer()
}

// odd are texts that encoding/json reads in ways of its own.
var odd = []string{
	``, ` `, `{}`, `null`, `[]`, `{"metadata":null}`, `{"metadata":{"name":"a","labels":{"a":"b"}},"spec":{"containers":[{"name":"c"}]}}`,
	`{"metadata":{"name":"b","labels":{"a":"b"}},"spec":{"containers":[{"name":"c"},{"name":"d"}]}}`,
	`{"METADATA":{"name":"a"},"metadata":{"labels":{}}}`, `{"metadata":{"name":"a"},"metadata":{"namespace":"b"}}`,
	`{"metadata":{"name":1}}`, `{"spec":{"containers":[]}}`, `{"spec":{"containers":null}}`, `{"spec":{"containers":{}}}`,
	`{"metadata":{"n\u0061me":"a"}}`, ` { "metadata" : { "name" : "a" } } `, `{"metadata":{"name":"a"}`, `{"metadata":{"name":"a"}} x`,
	`{"metadata":{"creationTimestamp":"2026-11-24T00:00:00Z"}}`, `{"metadata":{"creationTimestamp":null}}`, `{"metadata":{"creationTimestamp":"no"}}`,
	`{"spec":{"containers":[{"name":"c","ports":[{"containerPort":1},{"containerPort":2}]}]}}`, `{"spec":{"containers":[{"name":"c","ports":[{"containerPort":1}]}]}}`,
	`{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1"}}}]}}`, `{"spec":{"containers":[null,{"name":"c"}]}}`,
}

// FuzzVersion compares decoding a version by another with decoding it alone, for
// any two texts: the same value, and an error for the same.
func FuzzVersion(f *testing.F) {
	for _, a := range odd {
		for _, b := range odd {
			f.Add([]byte(a), []byte(b))
		}
	}
	f.Fuzz(func(t *testing.T, was, now []byte) {
		var old, got, want corev1.Pod
		if json.Unmarshal(was, &old) != nil {
			return
		}
		err := decodeVersion(now, &got, was, &old)
		alone := json.Unmarshal(now, &want)
		if (err == nil) != (alone == nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s after %s: %v, alone %v\n got %+v\nwant %+v", now, was, err, alone, got, want)
		}
	})
}
