package importer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/fixtures/incidents"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// sample calls with every fourth of the recorded incidents, or all if SVCSPY_TRUTH is all.
func sample(t *testing.T, each func(name string, r *store.Recording)) {
	t.Helper()
	all, err := incidents.Load("../../fixtures/incidents")
	if err != nil {
		t.Fatal(err)
	}
	every := 4
	switch {
	case os.Getenv("SVCSPY_TRUTH") == "all":
		every = 1
	case testing.Short():
		every = 16
	}
	for i, incident := range all {
		if _, err := os.Stat(incident.Recording()); err != nil || i%every != 0 {
			continue
		}
		r, err := store.Open(incident.Recording())
		if err != nil {
			t.Fatal(err)
		}
		each(incident.Name, r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// score counts what imported evidence says right.
type score struct{ instants, decided, certain, other int }

// judge compares what evidence says at an instant of its own with what the recording says
// about then: the same, Unknown, or less than certain.
func (s *score) judge(t *testing.T, name string, m, r replay.Timeline, at, then time.Time) {
	t.Helper()
	subject := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
	got := verdictAt(t, m, subject, at)
	if s.instants++; got.State == analyzer.Unknown {
		return
	}
	s.decided++
	want := map[analyzer.State]bool{}
	for d := -settling; d <= settling; d += settling / 2 {
		want[verdictAt(t, r, subject, then.Add(d)).State] = true
	}
	switch after := then.Sub(r.Info().Start); {
	case want[got.State]:
		if got.Certainty == analyzer.Certain {
			s.certain++
		}
	case got.Certainty == analyzer.Certain:
		t.Errorf("%s: after %s it is certainly %s; the recording says %v", name, after, got.State, want)
	default:
		s.other++
		t.Logf("%s: after %s it is %s %s; the recording says %v", name, after, got.Certainty, got.State, want)
	}
}

func (s *score) print(source string) {
	fmt.Printf("import: %-12s %3d %% decided, %d %% certain, 0 certain and different, %d less than certain and different, of %d instants\n",
		source, s.decided*100/max(s.instants, 1), s.certain*100/max(s.instants, 1), s.other, s.instants)
}

// judgeAll compares all along a recording.
func (s *score) judgeAll(t *testing.T, name string, m, r replay.Timeline) {
	t.Helper()
	info := r.Info()
	for at := info.Start.Add(5 * time.Second); at.Before(info.End.Add(-2 * settling)); at = at.Add(5 * time.Second) {
		s.judge(t, name, m, r, at, at)
	}
}

// TestTruthOfGathering makes of recorded incidents the folders that crust-gather would
// have written while it watched, and compares what they say with the recording.
func TestTruthOfGathering(t *testing.T) {
	s := score{}
	sample(t, func(name string, r *store.Recording) {
		m, _ := imported(t, gatherOf(t, r))
		s.judgeAll(t, name, m, r)
	})
	s.print("crust-gather")
}

// gatherOf writes the folder of a recording.
func gatherOf(t *testing.T, r *store.Recording) string {
	t.Helper()
	root := t.TempDir()
	last, patches := map[string]map[string]json.RawMessage{}, map[string]*bytes.Buffer{}
	for e, err := range r.Events(r.Info().First, r.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if !e.IsObject() {
			continue
		}
		var o map[string]json.RawMessage
		var metadata map[string]any
		if err := json.Unmarshal(e.Object, &o); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(o["metadata"], &metadata); err != nil {
			t.Fatal(err)
		}
		var version, kind string
		if json.Unmarshal(o["apiVersion"], &version) != nil || json.Unmarshal(o["kind"], &kind) != nil {
			continue
		}
		place := "cluster"
		if e.Namespace != "" {
			place = "namespaces/" + e.Namespace
		}
		// Colons in names are not allowed everywhere.
		file := filepath.Join(place, strings.ToLower(strings.ReplaceAll(version, "/", "-")), strings.ToLower(kind), strings.ReplaceAll(e.Name, ":", "-"))
		if last[file] == nil {
			text, err := yaml.JSONToYAML(e.Object)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, file+".yaml"), text, 0o600); err != nil {
				t.Fatal(err)
			}
			base := map[string]json.RawMessage{}
			if err := json.Unmarshal(slices.Clone(e.Object), &base); err != nil {
				t.Fatal(err)
			}
			last[file], patches[file] = base, &bytes.Buffer{}
		}
		annotations, _ := metadata["annotations"].(map[string]any)
		if annotations == nil {
			annotations = map[string]any{}
		}
		annotations[map[watch.EventType]string{watch.Added: "crust-gather.io/added", watch.Modified: "crust-gather.io/updated", watch.Deleted: "crust-gather.io/deleted"}[e.Type]] = e.Time.UTC().Format("2006-01-02 15:04:05.999999999 MST")
		metadata["annotations"] = annotations
		if o["metadata"], err = json.Marshal(metadata); err != nil {
			t.Fatal(err)
		}
		var patch []map[string]any
		for name, value := range o {
			if before, has := last[file][name]; !has {
				patch = append(patch, map[string]any{"op": "add", "path": "/" + name, "value": value})
			} else if !bytes.Equal(before, value) {
				patch = append(patch, map[string]any{"op": "replace", "path": "/" + name, "value": value})
			}
		}
		for name := range last[file] {
			if _, has := o[name]; !has {
				patch = append(patch, map[string]any{"op": "remove", "path": "/" + name})
			}
		}
		line, err := json.Marshal(patch)
		if err != nil {
			t.Fatal(err)
		}
		patches[file].Write(append(line, '\n'))
		for name := range o {
			o[name] = slices.Clone(o[name])
		}
		last[file] = o
	}
	for file, text := range patches {
		if err := os.WriteFile(filepath.Join(root, file+".patch"), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
