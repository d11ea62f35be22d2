package importer_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// TestTruthOfBackups makes backups of the objects of recorded incidents, as Velero would
// have at three instants each, and compares what the last one says at its end with the
// recording.
func TestTruthOfBackups(t *testing.T) {
	s := score{}
	sample(t, func(name string, r *store.Recording) {
		info, dir := r.Info(), t.TempDir()
		for part := 1; part <= 3; part++ {
			// Tar cuts times to the second.
			at := info.Start.Add(info.End.Sub(info.Start) * time.Duration(part) / 4).Truncate(time.Second)
			backUp(t, r, filepath.Join(dir, fmt.Sprint("b", part)), at)
			m, _ := imported(t, dir)
			s.judge(t, name, m, r, m.Info().End, at)
		}
	})
	s.print("velero")
}

// backUp writes a backup of all that there was at an instant.
func backUp(t *testing.T, r *store.Recording, dir string, at time.Time) {
	t.Helper()
	objects := map[store.Ref]json.RawMessage{}
	for e, err := range r.Events(r.Info().First, r.Info().Last) {
		switch {
		case err != nil:
			t.Fatal(err)
		case !e.IsObject() || e.Time.After(at):
		case e.Type == watch.Deleted:
			delete(objects, e.Ref())
		default:
			objects[e.Ref()] = slices.Clone(e.Object)
		}
	}
	name := filepath.Base(dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, name+".tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	archive := tar.NewWriter(z)
	for ref, object := range objects {
		scope := "cluster"
		if ref.Namespace != "" {
			scope = "namespaces/" + ref.Namespace
		}
		path := fmt.Sprintf("resources/%s/%s/%s.json", ref.Resource.GroupResource(), scope, ref.Name)
		if err := archive.WriteHeader(&tar.Header{Name: path, Size: int64(len(object)), Typeflag: tar.TypeReg, Mode: 0o755, ModTime: at}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(object); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{archive, z, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	about := fmt.Sprintf(`{"kind":"Backup","apiVersion":"velero.io/v1","metadata":{"name":%q},"spec":{},"status":{"phase":"Completed","completionTimestamp":%q,"progress":{"itemsBackedUp":%d}}}`,
		name, at.UTC().Format(time.RFC3339), len(objects))
	if err := os.WriteFile(filepath.Join(dir, "velero-backup.json"), []byte(about), 0o600); err != nil {
		t.Fatal(err)
	}
}
