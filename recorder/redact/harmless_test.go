package redact

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store"
)

// harmlessTexts are messages, and values of env, arguments and annotations, that
// were recorded and hold no secret, each once. They are in the order in which
// they were recorded.
func harmlessTexts(t *testing.T) (messages, values []string) {
	t.Helper()
	paths, err := filepath.Glob("../../fixtures/incidents/*.db")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	seen := map[string]bool{}
	var collect func(v any, key, parent string)
	collect = func(v any, key, parent string) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				if k == "managedFields" {
					continue
				}
				collect(inner, k, key)
			}
		case []any:
			for _, inner := range v {
				collect(inner, key, parent)
			}
		case string:
			if v == "" || strings.Contains(v, tokenOpen) || seen[key+v] {
				return
			}
			seen[key+v] = true
			switch {
			case key == "message" || key == "note":
				messages = append(messages, v)
			case strings.Contains(key, "last-applied"):
			case key == "args" || key == "command" || parent == "annotations" || parent == "env" && key == "value":
				values = append(values, v)
			}
		}
	}
	for _, path := range paths {
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range r.Events(1, r.Info().Last) {
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Object) == 0 {
				continue
			}
			var object any
			if err := json.Unmarshal(e.Object, &object); err != nil {
				t.Fatal(err)
			}
			collect(object, "", "")
		}
		r.Close()
	}
	for _, e := range corpusEvents(t, corpus.Rollout(), 14000) {
		var object any
		if err := json.Unmarshal(e.object, &object); err != nil {
			t.Fatal(err)
		}
		collect(object, "", "")
	}
	return messages, values
}

// TestHarmless: what people and diagnoses need of messages stays. At most 3 % of
// those that were recorded lose a word.
func TestHarmless(t *testing.T) {
	messages, values := harmlessTexts(t)
	for _, set := range []struct {
		what  string
		texts []string
		most  float64 // share that may be changed
		keeps func(*Policy, string) string
	}{
		{"messages", messages, 0.03, func(p *Policy, text string) string { return p.Text(text) }},
		{"values", values, 0.25, func(p *Policy, text string) string {
			j := judge{at: place{p: p, kind: placeText}, names: &p.names}
			return string(j.value(nil, []byte(text), 0))
		}},
	} {
		p, changed := Standard(false), 0
		for _, text := range set.texts {
			if got := set.keeps(p, text); got != text {
				changed++
				t.Logf("%s: %.200q becomes %.200q", set.what, text, got)
			}
		}
		t.Logf("%d of %d %s are changed", changed, len(set.texts), set.what)
		if float64(changed) > set.most*float64(len(set.texts)) {
			t.Errorf("%d of %d %s are changed, want at most %g", changed, len(set.texts), set.what, set.most)
		}
	}
	if n := len(messages) + len(values); n < 2000 {
		t.Errorf("only %d texts", n)
	}
}
