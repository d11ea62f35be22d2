package importer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/recorder/importer/etcd"
	"github.com/svcspy/svcspy/store"
)

// TestTruthOfKwok makes of recorded incidents what kwokctl snapshot record would have
// written, and compares what that says with the recording.
func TestTruthOfKwok(t *testing.T) {
	s := score{}
	sample(t, func(name string, r *store.Recording) {
		m, _ := imported(t, kwokOf(t, r))
		s.judgeAll(t, name, m, r)
	})
	s.print("kwok")
}

var instant = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})`)

// kwokOf writes the file of a recording: what there is after its first second, and the
// changes from then on.
func kwokOf(t *testing.T, r *store.Recording) string {
	t.Helper()
	base := r.Info().Start.Add(time.Second)
	last, end := map[store.Ref][]byte{}, base
	var file bytes.Buffer
	write := func(object any) {
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		file.Write(instant.ReplaceAllFunc(text, func(found []byte) []byte {
			at, err := time.Parse(time.RFC3339Nano, string(found))
			if err != nil {
				return found
			}
			return fmt.Appendf(nil, "$(time-offset-nanosecond %d)", at.Sub(base))
		}))
		file.WriteString("---\n")
	}
	begun := false
	begin := func() {
		begun = true
		for _, object := range last {
			write(json.RawMessage(object))
		}
	}
	for e, err := range r.Events(r.Info().First, r.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if !e.IsObject() {
			continue
		}
		if !begun && e.Time.After(base) {
			begin()
		}
		var o map[string]json.RawMessage
		var metadata map[string]json.RawMessage
		var version, kind string
		if json.Unmarshal(e.Object, &o) != nil || json.Unmarshal(o["metadata"], &metadata) != nil || json.Unmarshal(o["apiVersion"], &version) != nil || json.Unmarshal(o["kind"], &kind) != nil {
			continue // of a kind of svcspy's own
		}
		delete(metadata, "resourceVersion")
		o["metadata"], _ = json.Marshal(metadata)
		now, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		ref := e.Ref()
		before := last[ref]
		last[ref] = now
		if e.Type == watch.Deleted {
			delete(last, ref)
		}
		if !begun {
			continue
		}
		end = e.Time
		p := map[string]any{
			"apiVersion": "action.kwok.x-k8s.io/v1alpha1", "kind": "ResourcePatch", "durationNanosecond": e.Time.Sub(base),
			"resource": map[string]string{"group": e.Resource.Group, "version": e.Resource.Version, "resource": e.Resource.Resource},
			"target":   map[string]string{"name": e.Name, "namespace": e.Namespace},
		}
		switch typed, err := etcd.New(schema.FromAPIVersionAndKind(version, kind)); {
		case e.Type == watch.Deleted:
			p["method"] = "delete"
		case before == nil:
			p["method"], p["template"] = "create", json.RawMessage(now)
		case err != nil:
			continue
		default:
			text, err := strategicpatch.CreateTwoWayMergePatch(before, now, typed)
			if err != nil {
				t.Fatal(err)
			}
			p["method"], p["template"] = "patch", json.RawMessage(text)
		}
		write(p)
	}
	if !begun {
		begin()
	}
	path := filepath.Join(t.TempDir(), "recording.yaml")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, end, end); err != nil {
		t.Fatal(err)
	}
	return path
}
