package kwok

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/fixtures/incidents"
	"github.com/svcspy/svcspy/recorder/importer/etcd"
	"github.com/svcspy/svcspy/store"
)

func decoded(t *testing.T, text []byte) map[string]any {
	t.Helper()
	object, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// told leaves out null, which says as much as nothing, and which patches lose.
func told(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if v[name] = told(value); value == nil {
				delete(v, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = told(v[i])
		}
	}
	return v
}

// TestMerge: for each change of the recorded incidents, the patch that Kubernetes' code
// makes of it leads from the object before to the one after, in order, and is the same as
// what its code makes of that patch.
func TestMerge(t *testing.T) {
	all, err := incidents.Load("../../../fixtures/incidents")
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	for i, incident := range all {
		if i%3 != 0 || testing.Short() && i%8 != 0 {
			continue
		}
		r, err := store.Open(incident.Recording())
		if err != nil {
			continue
		}
		last := map[store.Ref][]byte{}
		for e, err := range r.Events(r.Info().First, r.Info().Last) {
			if err != nil {
				t.Fatal(err)
			}
			if !e.IsObject() {
				continue
			}
			ref := e.Ref()
			before := last[ref]
			last[ref] = bytes.Clone(e.Object)
			if before == nil || e.Type != watch.Modified {
				continue
			}
			var named struct{ APIVersion, Kind string }
			if err := json.Unmarshal(e.Object, &named); err != nil {
				t.Fatal(err)
			}
			typed, err := etcd.New(schema.FromAPIVersionAndKind(named.APIVersion, named.Kind))
			if err != nil {
				continue
			}
			patch, err := strategicpatch.CreateTwoWayMergePatch(before, e.Object, typed)
			if err != nil {
				t.Fatal(err)
			}
			changes++
			theirs, err := strategicpatch.StrategicMergePatch(before, patch, typed)
			if err != nil {
				t.Fatal(err)
			}
			got := merge(decoded(t, before), decoded(t, patch), reflect.TypeOf(typed))
			if diff := cmp.Diff(told(decoded(t, theirs)), told(got)); diff != "" {
				t.Fatalf("%s #%d %s, patch %s (-theirs +ours):\n%s", incident.Name, e.Seq, e.Name, patch, diff)
			}
			if diff := cmp.Diff(told(decoded(t, e.Object)), told(got)); diff != "" {
				t.Fatalf("%s #%d %s, patch %s (-after +ours):\n%s", incident.Name, e.Seq, e.Name, patch, diff)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if changes < 500 {
		t.Errorf("only %d changes", changes)
	}
	t.Logf("%d changes", changes)
}
