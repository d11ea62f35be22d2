package velero_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/snapshot"
	"github.com/svcspy/svcspy/recorder/importer/velero"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

var read = time.Date(2026, 11, 30, 1, 0, 3, 0, time.UTC)

func object(kind, version, namespace, name string) string {
	return fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"namespace":%q,"uid":"u-%s","resourceVersion":"5"}}`, version, kind, name, namespace, name)
}

// pack returns a backup's archive.
func pack(t testing.TB, files [][2]string, at time.Time) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	archive := tar.NewWriter(z)
	for _, f := range files {
		if err := archive.WriteHeader(&tar.Header{Name: f[0], Size: int64(len(f[1])), Typeflag: tar.TypeReg, Mode: 0o755, ModTime: at}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func backup(name, spec string, items int) string {
	return fmt.Sprintf(`{"kind":"Backup","apiVersion":"velero.io/v1","metadata":{"name":%q,"namespace":"velero"},"spec":{%s},
		"status":{"phase":"Completed","startTimestamp":"2026-11-30T01:00:00Z","completionTimestamp":"2026-11-30T01:00:09Z","progress":{"totalItems":%d,"itemsBackedUp":%[3]d}}}`, name, spec, items)
}

// imported returns events, what is said to be whole, and the holes.
func imported(t testing.TB, files map[string]string) (all []string, holes []string, err error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, "b", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := importer.Read(context.Background(), &importer.Options{
		Sources: []string{filepath.Join(dir, "b")}, Formats: []importer.Format{velero.Format, snapshot.Format}, Policy: redact.Standard(false), Dir: dir,
	})
	if err != nil {
		return nil, nil, err
	}
	defer e.Close()
	m := store.NewMemory(e.Header())
	if _, err := e.Write(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	for ev, err := range m.Events(0, m.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.IsObject() {
			all = append(all, fmt.Sprintf("%s %s %s/%s", ev.Time.Format("05"), ev.Resource.GroupResource(), ev.Namespace, ev.Name))
		}
	}
	ledger, err := m.Ledger(0, m.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ledger {
		if r := c.Resource.GroupResource().String(); c.Status == store.Instant && slices.Contains([]string{"pods", "nodes", "services", "deployments.apps"}, r) {
			all = append(all, fmt.Sprintf("%s all %s of %q", c.Time.Format("05"), r, c.Namespace))
		}
	}
	slices.Sort(all)
	for _, h := range e.Explanation.Holes {
		holes = append(holes, h.Reason)
	}
	return all, holes, nil
}

func TestBackups(t *testing.T) {
	pod, node := object("Pod", "v1", "shop", "web-1"), object("Node", "v1", "", "n1")
	files := [][2]string{
		{"metadata/version", "1.1.0\n"},
		{"resources/pods/namespaces/shop/web-1.json", pod},
		{"resources/pods/v1-preferredversion/namespaces/shop/web-1.json", pod},
		{"resources/deployments.apps/namespaces/shop/web.json", object("Deployment", "apps/v1", "shop", "web")},
		{"resources/nodes/cluster/n1.json", node},
	}
	objects := []string{"03 deployments.apps shop/web", "03 nodes /n1", "03 pods shop/web-1"}
	with := func(more ...string) []string {
		all := append(slices.Clone(objects), more...)
		slices.Sort(all)
		return all
	}
	const nothing = ": that something is not in it proves nothing"
	for name, test := range map[string]struct {
		backup string // "" is none
		want   []string
		holes  []string
	}{
		"of everything": {backup("daily", ``, 3), with(`09 all deployments.apps of ""`, `09 all nodes of ""`, `09 all pods of ""`, `09 all services of ""`), nil},
		"of a namespace": {
			backup("daily", `"includedNamespaces":["shop","bank"]`, 3),
			with(`09 all deployments.apps of "bank"`, `09 all deployments.apps of "shop"`, `09 all pods of "bank"`, `09 all pods of "shop"`, `09 all services of "bank"`, `09 all services of "shop"`), nil,
		},
		"but one namespace":                     {backup("daily", `"excludedNamespaces":["kube-system"],"includedResources":["pods"]`, 3), with(`09 all pods of "shop"`), nil},
		"of namespaces by pattern":              {backup("daily", `"includedNamespaces":["sh*"],"includedResources":["Pod"]`, 3), with(`09 all pods of "shop"`), nil},
		"of some kinds":                         {backup("daily", `"includedResources":["pods","services"]`, 3), with(`09 all pods of ""`, `09 all services of ""`), nil},
		"but some kinds":                        {backup("daily", `"excludedResources":["svc"]`, 3), with(`09 all deployments.apps of ""`, `09 all nodes of ""`, `09 all pods of ""`), nil},
		"without the cluster's":                 {backup("daily", `"includeClusterResources":false,"includedResources":["pods","nodes"]`, 3), with(`09 all pods of ""`), nil},
		"with the cluster's, of a namespace":    {backup("daily", `"includeClusterResources":true,"includedNamespaces":["shop"],"includedResources":["pods","nodes"]`, 3), with(`09 all nodes of ""`, `09 all pods of "shop"`), nil},
		"by label":                              {backup("daily", `"labelSelector":{"matchLabels":{"app":"web"}}`, 3), objects, []string{"it was filtered by labels or a policy" + nothing}},
		"of more than is there":                 {backup("daily", ``, 4), objects, []string{"3 of its 4 objects are in the archive" + nothing}},
		"that failed in part":                   {strings.Replace(backup("daily", ``, 3), "Completed", "PartiallyFailed", 1), objects, []string{`its phase is "PartiallyFailed"` + nothing}},
		"without its Backup":                    {"", objects, []string{"its velero-backup.json is missing" + nothing}},
		"with the Backup of another":            {backup("weekly", ``, 3), objects, []string{"its velero-backup.json is missing" + nothing}},
		"whose Backup does not say how many":    {strings.Replace(backup("daily", ``, 3), `"progress"`, `"was"`, 1), objects, []string{"the Backup does not say how many objects it has" + nothing}},
		"of kinds by the filters of its scopes": {backup("daily", `"includedNamespaceScopedResources":["pods"],"includedClusterScopedResources":["nodes"]`, 3), with(`09 all nodes of ""`, `09 all pods of ""`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{"daily.tar.gz": pack(t, files, read)}
			if test.backup != "" {
				all["velero-backup.json"] = test.backup
			}
			got, holes, err := imported(t, all)
			if err != nil {
				t.Fatal(err)
			}
			holes = slices.DeleteFunc(holes, func(h string) bool { return strings.HasPrefix(h, "files of no known format") })
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.holes, holes); diff != "" && len(test.holes)+len(holes) > 0 {
				t.Errorf("holes (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be told is said once, and what is cut proves nothing.
func TestHoles(t *testing.T) {
	pod := object("Pod", "v1", "shop", "web-1")
	whole := pack(t, [][2]string{{"resources/pods/namespaces/shop/web-1.json", pod}, {"resources/pods/namespaces/shop/web-2.json", strings.Repeat(pod, 1)}}, read)
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"unpacked":     {map[string]string{"daily/resources/pods/namespaces/shop/web-1.json": pod, "velero-backup.json": backup("daily", ``, 1)}, "1 objects of an unpacked backup"},
		"cut":          {map[string]string{"daily.tar.gz": whole[:len(whole)-20], "velero-backup.json": backup("daily", ``, 2)}, "it cannot be read to its end"},
		"no object":    {map[string]string{"daily.tar.gz": pack(t, [][2]string{{"resources/pods/namespaces/shop/web-1.json", `[]`}, {"resources/pods/namespaces/shop/web-2.json", pod}}, read)}, "it cannot be read to its end"},
		"without time": {map[string]string{"daily.tar.gz": pack(t, [][2]string{{"resources/pods/namespaces/shop/web-1.json", pod}}, time.Time{})}, "does not say when it was read"},
	} {
		got, holes, err := imported(t, test.files)
		if text := fmt.Sprint(err, holes); !strings.Contains(text, test.want) {
			t.Errorf("%s: %s; want %q", name, text, test.want)
		}
		if slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, " all ") }) {
			t.Errorf("%s: %q claims to be whole", name, got)
		}
	}
}

func FuzzVelero(f *testing.F) {
	f.Add("resources/pods/namespaces/shop/web-1.json", object("Pod", "v1", "shop", "web-1"), backup("b", ``, 1))
	f.Add("x/resources/nodes/v1-preferredversion/cluster/n.json", `{"apiVersion":"v1","metadata":{"name":"n"}}`, backup("b", `"excludedResources":["x"],"includedNamespaces":["*"]`, 0))
	f.Fuzz(func(t *testing.T, name, text, about string) {
		if len(text)+len(about) > 1<<16 || len(name) > 90 || name == "" || strings.ContainsRune(name, 0) {
			return
		}
		began := time.Now()
		_, _, _ = imported(t, map[string]string{"b.tar.gz": pack(t, [][2]string{{name, text}}, read), "velero-backup.json": about})
		if time.Since(began) > 20*time.Second {
			t.Error("it takes very long")
		}
	})
}
