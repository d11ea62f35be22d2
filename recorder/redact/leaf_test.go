package redact

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store"
)

// TestLeaves: of the strings of built-in objects that no rule of its own looks at,
// those that were recorded and hold no secret stay.
func TestLeaves(t *testing.T) {
	p := Standard(false)
	all, changed := 0, map[string]int{}
	seen := map[string]bool{}
	compare := func(e store.Event) {
		if !builtIn[e.Resource.Group] || len(e.Object) == 0 {
			return
		}
		out, err := p.Object(nil, e.Resource, e.Object)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodes(e, out); err != nil {
			t.Errorf("%s %s cannot be decoded: %v: %s", e.Resource.Resource, e.Name, err, out)
		}
		var before, after any
		if json.Unmarshal(e.Object, &before) != nil || json.Unmarshal(out, &after) != nil {
			t.Fatalf("not JSON: %s", out)
		}
		var walk func(a, b any, path string)
		walk = func(a, b any, path string) {
			switch a := a.(type) {
			case map[string]any:
				b, ok := b.(map[string]any)
				if !ok {
					changed[path]++
					return
				}
				for k, v := range a {
					switch k {
					case "managedFields", "annotations", "message", "note", "description", "env", "args", "command", "parameters", "options", "data", "binaryData":
						continue // judged by themselves
					}
					walk(v, b[k], strings.TrimPrefix(path+"."+k, "."))
				}
			case []any:
				b, ok := b.([]any)
				for i, v := range a {
					if ok && i < len(b) {
						walk(v, b[i], path)
					}
				}
			case string:
				if id := path + "=" + a; a != "" && !seen[id] {
					seen[id] = true
					all++
					if b != any(a) {
						changed[path]++
						if changed[path] <= 3 {
							t.Logf("%s %s: %.120q becomes %.120q", e.Resource.Resource, path, a, fmt.Sprint(b))
						}
					}
				}
			}
		}
		walk(before, after, "")
	}
	paths, err := filepath.Glob("../../fixtures/incidents/*.db")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for i, path := range paths {
		if i%12 != 0 { // all of them take half a minute
			continue
		}
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range r.Events(1, r.Info().Last) {
			if err != nil {
				t.Fatal(err)
			}
			compare(e)
		}
		r.Close()
	}
	for _, e := range corpusEvents(t, corpus.Rollout(), 5000) {
		compare(store.Event{Resource: e.resource, Object: e.object})
	}
	lost := 0
	for _, path := range slices.Sorted(maps.Keys(changed)) {
		lost += changed[path]
		t.Logf("%s: %d", path, changed[path])
	}
	t.Logf("%d of %d strings of built-in objects are changed", lost, all)
	if all < 2000 || float64(lost) > 0.01*float64(all) {
		t.Errorf("%d of %d strings of built-in objects are changed, want at most 1 %%", lost, all)
	}
}

// TestQuantities: whatever a quantity is, the object that holds it can still be decoded.
// A real kubelet writes a container without a limit as the largest number of bytes.
func TestQuantities(t *testing.T) {
	p := Standard(false)
	for _, amount := range []string{
		"9223372036854771712", "9007199254740988Ki", "8796093022208Mi", "8589934591Gi", "7E", "8Ei", "0.5", "1.5Gi", "-1", "1e3", "12e6", "1E", "100n", "250u", "123456789012345m", "32Mi",
	} {
		for _, name := range []string{"memory", "cpu", "hugepages-2Mi", "ephemeral-storage", "nvidia.com/gpu", "example.com/token"} {
			text := fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"b"},"status":{"resources":{"limits":{%q:%q}}}}`, name, amount)
			out, err := p.Object(nil, corev1.SchemeGroupVersion.WithResource("pods"), []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var pod corev1.Pod
			if err := json.Unmarshal(out, &pod); err != nil {
				t.Errorf("%s of %s: %v: %s", amount, name, err, out)
			}
		}
	}
}
