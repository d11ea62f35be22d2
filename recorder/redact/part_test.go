package redact

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/fixtures/canary"
	"github.com/svcspy/svcspy/fixtures/corpus"
)

// TestPartsAreRemembered compares a policy that remembers the parts of objects with
// one that walks each of them: the same objects, changed a little, come again in
// any order, as other resources and in other namespaces.
func TestPartsAreRemembered(t *testing.T) {
	var objects []corpusEvent
	planted, err := canary.Objects(7)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range planted {
		objects = append(objects, corpusEvent{o.Resource, o.Text})
	}
	objects = append(objects, corpusEvents(t, corpus.Rollout(), 200)...)
	resources := []schema.GroupVersionResource{pods, configMaps, secrets, events, custom, {Group: "apps", Version: "v1", Resource: "deployments"}}
	known := 0
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.Bool().Draw(t, "patterns")
		remembers, walks := fixed(), fixed()
		remembers.patterns, walks.patterns = patterns, patterns
		some := rapid.SliceOfN(rapid.SampledFrom(objects), 1, 4).Draw(t, "objects")
		for range rapid.IntRange(2, 12).Draw(t, "versions") {
			o := rapid.SampledFrom(some).Draw(t, "object")
			if rapid.IntRange(0, 5).Draw(t, "other resource") == 0 {
				o.resource = rapid.SampledFrom(resources).Draw(t, "resource")
			}
			text := changed(t, o.object)
			got, err := remembers.Object(nil, o.resource, text)
			clear(walks.parts.kept[:])
			clear(walks.parts.changed[:])
			want, wantErr := walks.Object(nil, o.resource, text)
			if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
				t.Fatalf("remembered %v:\n%s\nwalked %v:\n%s\nof\n%s", err, got, wantErr, want, text)
			}
		}
		for r := range rules {
			if got, want := remembers.counts[r].Load(), walks.counts[r].Load(); got != want {
				t.Fatalf("%s: counted %d, walked %d", ruleNames[r], got, want)
			}
		}
		for i := range remembers.parts.changed {
			if remembers.parts.changed[i].Load() != nil {
				known++
			}
		}
	})
	if known == 0 {
		t.Error("nothing was remembered")
	}
}

// changed returns the text with one of its values, or a stretch of its bytes,
// replaced.
func changed(t *rapid.T, text []byte) []byte {
	switch rapid.IntRange(0, 9).Draw(t, "change") {
	case 0, 1, 2, 3:
		return text
	case 4: // broken
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		out := bytes.Clone(text)
		out[at] = rapid.SampledFrom([]byte(`"\{}[]:, x0`)).Draw(t, "byte")
		return out
	case 5: // cut off
		return text[:rapid.IntRange(0, len(text)-1).Draw(t, "length")]
	}
	var o any
	if json.Unmarshal(text, &o) != nil {
		return text
	}
	change(t, o)
	out, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// change replaces one value somewhere below.
func change(t *rapid.T, v any) {
	with := rapid.SampledFrom([]any{"x", "hunter2-Zq93kd8", true, "shop", map[string]any{"name": "password", "value": "Zq93kd8mQpw2xY"}, "In"})
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			inner := v[k]
			if rapid.IntRange(0, 3).Draw(t, "another") == 0 {
				continue
			}
			switch inner.(type) {
			case map[string]any, []any:
				if rapid.IntRange(0, 2).Draw(t, "deeper") > 0 {
					change(t, inner)
					return
				}
			}
			v[k] = with.Draw(t, "with")
			return
		}
	case []any:
		if len(v) > 0 {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "element")
			switch v[i].(type) {
			case map[string]any, []any:
				change(t, v[i])
			default:
				v[i] = with.Draw(t, "with")
			}
		}
	}
}
