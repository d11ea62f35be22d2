package importer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/etcd"
	"github.com/svcspy/svcspy/store"
)

// snapshotOfEtcd is the snapshot that was taken after selector-edited.
func snapshotOfEtcd(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(unpacked(t, "selector-edited.etcd.db", time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// importedEtcd imports a snapshot of etcd as it is, with its secrets.
func importedEtcd(t testing.TB, data []byte) (*store.Memory, *importer.Explanation, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snapshot.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := importer.Read(context.Background(), &importer.Options{Sources: []string{path}, Formats: []importer.Format{etcd.Format}, Dir: t.TempDir()})
	if err != nil {
		return nil, nil, err
	}
	defer e.Close()
	m := store.NewMemory(e.Header())
	end, err := e.Write(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Seal(end); err != nil {
		t.Fatal(err)
	}
	return m, &e.Explanation, nil
}

// TestEtcd: a snapshot has every version that svcspy recorded of the same minutes,
// in the same order, with the content that the API server gave to the recorder, and
// with times to the second.
func TestEtcd(t *testing.T) {
	m, x, err := importedEtcd(t, snapshotOfEtcd(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Holes) > 0 || x.Revisions == nil || !x.Revisions.Whole {
		t.Errorf("holes %v, revisions %+v", x.Holes, x.Revisions)
	}
	type key struct {
		resource schema.GroupResource
		version  string
	}
	found := map[key]store.Event{}
	for e, err := range m.Events(1, m.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if e.IsObject() && e.Resource != store.Requests {
			e.Object = bytes.Clone(e.Object)
			found[key{e.Resource.GroupResource(), e.ResourceVersion}] = e
		}
	}
	r := opened(t, filepath.Join("testdata", "selector-edited.db"))
	end := m.Info().End
	compared := 0
	var last store.Seq
	for e, err := range r.Events(1, r.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if !e.IsObject() || e.Time.After(end) {
			continue
		}
		got, ok := found[key{e.Resource.GroupResource(), e.ResourceVersion}]
		switch {
		case !ok:
			t.Errorf("%s %s %s/%s @%s is not in the snapshot", e.Type, e.Resource.Resource, e.Namespace, e.Name, e.ResourceVersion)
			continue
		case (got.Type == watch.Deleted) != (e.Type == watch.Deleted) || got.Name != e.Name || got.Namespace != e.Namespace || got.UID != e.UID:
			t.Errorf("%s %s %s/%s @%s is %s %s/%s", e.Type, e.Resource.Resource, e.Namespace, e.Name, e.ResourceVersion, got.Type, got.Namespace, got.Name)
		case e.Type == watch.Modified && e.Time.Sub(got.Time).Abs() > 2*time.Second:
			t.Errorf("%s/%s @%s is of %s, want %s", e.Resource.Resource, e.Name, e.ResourceVersion, got.Time, e.Time)
		case e.Type == watch.Modified && e.Resource.Resource == "services" && got.Seq < last:
			t.Errorf("%s/%s @%s comes too early", e.Resource.Resource, e.Name, e.ResourceVersion)
		}
		if e.Type == watch.Deleted {
			continue // etcd has what was there before, at the version before
		}
		compared++
		var want, is any
		if json.Unmarshal(e.Object, &want) != nil || json.Unmarshal(got.Object, &is) != nil {
			t.Fatalf("%s/%s is no JSON", e.Resource.Resource, e.Name)
		}
		if diff := cmp.Diff(shown(want, want), shown(is, want)); diff != "" {
			t.Errorf("%s %s/%s @%s (-recorded +imported):\n%s", e.Resource.Resource, e.Namespace, e.Name, e.ResourceVersion, diff)
		}
	}
	if compared < 100 {
		t.Errorf("%d versions were compared", compared)
	}
}

// shown is a value without what redaction replaced in another of the same shape.
func shown(v, other any) any {
	switch o := other.(type) {
	case map[string]any:
		m, ok := v.(map[string]any)
		if !ok {
			return v
		}
		out := map[string]any{}
		for k, member := range m {
			if k != "managedFields" { // keys in it are replaced, too
				out[k] = shown(member, o[k])
			}
		}
		return out
	case []any:
		l, ok := v.([]any)
		if !ok || len(l) != len(o) {
			return v
		}
		out := make([]any, len(l))
		for i := range l {
			out[i] = shown(l[i], o[i])
		}
		return out
	case string:
		if strings.Contains(o, "‹r:") {
			return "redacted"
		}
	}
	return v
}

// What cannot be read of a snapshot is a hole, and its kind is not known for
// certain any more.
func TestEtcdHoles(t *testing.T) {
	whole := snapshotOfEtcd(t)
	overwrite := func(key string, skip int, text string) []byte {
		data := bytes.Clone(whole)
		from := 0
		for {
			i := bytes.Index(data[from:], []byte(key))
			if i < 0 {
				return data
			}
			value := bytes.Index(data[from+i:], []byte("k8s\x00"))
			if value < 0 || value > 200 {
				from += i + 1
				continue
			}
			copy(data[from+i+value+skip:], text)
			from += i + 1
		}
	}
	status := func(x *importer.Explanation, resource string) store.Status {
		for _, r := range x.Resources {
			if r.Resource == resource {
				return r.Status
			}
		}
		return ""
	}
	for _, test := range []struct {
		name, hole     string
		data           []byte
		services, pods store.Status
	}{
		{"encrypted at rest", "encrypted", overwrite("/registry/services/specs/shop/web", 0, "k8s:enc:aescbc:v1:k:"), store.Unseen, store.Revisions},
		{"no protocol buffer", "no protocol buffers", overwrite("/registry/services/specs/shop/web", 4, "\xff\xff\xff\xff\xff\xff"), store.Unseen, store.Revisions},
		{"cut in the middle", "damaged", whole[:len(whole)/2], store.Unseen, store.Unseen},
		{"changed since it was saved", "digest", append(bytes.Clone(whole), make([]byte, 32)...), store.Unseen, store.Unseen},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, x, err := importedEtcd(t, test.data)
			if err != nil {
				if test.name != "cut in the middle" || !strings.Contains(err.Error(), "damaged") {
					t.Fatal(err)
				}
				return
			}
			if len(x.Holes) == 0 || !strings.Contains(x.Holes[0].Reason, test.hole) {
				t.Errorf("holes %v, want one with %q", x.Holes, test.hole)
			}
			if s, p := status(x, "services"), status(x, "pods"); s != test.services || p != test.pods {
				t.Errorf("services are %s and pods %s, want %s and %s", s, p, test.services, test.pods)
			}
		})
	}
	for name, data := range map[string][]byte{"only pages": whole[:8192], "a recording": mustRead(t, filepath.Join("testdata", "selector-edited.db"))} {
		if _, _, err := importedEtcd(t, data); err == nil {
			t.Errorf("%s is imported", name)
		}
	}
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Secrets of a snapshot do not reach the recording.
func TestEtcdRedacts(t *testing.T) {
	data := snapshotOfEtcd(t)
	m, _ := imported(t, unpacked(t, "selector-edited.etcd.db", time.Time{}))
	if m.Info().Events == 0 || !bytes.Contains(data, []byte("/registry/configmaps/kube-system/kube-root-ca.crt")) {
		t.Fatal("there is no ConfigMap with a certificate in the snapshot")
	}
	for e, err := range m.Events(1, m.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(e.Object, []byte("BEGIN CERTIFICATE")) && e.Resource.Resource == "configmaps" {
			t.Errorf("the value of a ConfigMap is in %s: %.200s", e.Name, e.Object)
		}
	}
}

func FuzzEtcd(f *testing.F) {
	whole := snapshotOfEtcd(f)
	f.Add(uint32(0), []byte("x"))
	f.Add(uint32(16384), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		data := bytes.Clone(whole)
		copy(data[int(at)%len(data):], change)
		_, _, _ = importedEtcd(t, data)
	})
}
