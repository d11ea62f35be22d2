package snapshot_test

import (
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
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

func object(kind, name string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":%q,"metadata":{"name":%q,"namespace":"shop","uid":"u-%s","resourceVersion":"5","creationTimestamp":"2026-11-30T01:00:00Z"}}`, kind, name, name)
}

// recorded imports files of a folder and returns events and what the ledger says
// in the end, sorted.
func recorded(t testing.TB, files map[string]string) ([]string, []importer.Hole, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, "dump", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := importer.Read(context.Background(), &importer.Options{
		Sources: []string{filepath.Join(dir, "dump")}, Formats: []importer.Format{snapshot.Format}, Policy: redact.Standard(false), Dir: dir,
	})
	if err != nil {
		return nil, nil, err
	}
	defer e.Close()
	m := store.NewMemory(e.Header())
	if _, err := e.Write(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	var all []string
	for ev, err := range m.Events(0, m.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.IsObject() {
			all = append(all, fmt.Sprintf("%s %s %s/%s", ev.Type, ev.Resource.GroupResource(), ev.Namespace, ev.Name))
		}
	}
	ledger, err := m.Ledger(0, m.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ledger {
		if c.Status == store.Instant {
			all = append(all, fmt.Sprintf("all %s of %q", c.Resource.GroupResource(), c.Namespace))
		}
	}
	slices.Sort(all)
	return all, e.Explanation.Holes, nil
}

func TestLayouts(t *testing.T) {
	list := func(items ...string) string {
		return `{"apiVersion":"v1","items":[` + strings.Join(items, ",") + `],"kind":"List","metadata":{"resourceVersion":""}}`
	}
	bare := strings.Replace(object("Pod", "web-1"), `"apiVersion":"v1","kind":"Pod",`, "", 1)
	want := []string{"ADDED pods shop/web-1", `all pods of "shop"`}
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"kubectl get -o json", map[string]string{"pods.json": list(object("Pod", "web-1"))}, want},
		{
			"kubectl get of two kinds",
			map[string]string{"all.json": list(object("Pod", "web-1"), object("Service", "web"))},
			[]string{"ADDED pods shop/web-1", "ADDED services shop/web", `all pods of "shop"`, `all services of "shop"`},
		},
		{"kubectl get -o yaml", map[string]string{"x.yaml": "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: web-1, namespace: shop, creationTimestamp: \"2026-11-30T01:00:00Z\"}\nkind: List\n"}, want},
		{"one object, which is no list", map[string]string{"x.json": object("Pod", "web-1")}, want[:1]},
		{
			"cluster-info dump",
			map[string]string{"shop/pods.json": `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[` + bare + `]}`, "shop/services.json": `{"kind":"ServiceList","apiVersion":"v1","items":[]}`},
			append(slices.Clone(want), `all services of "shop"`),
		},
		{"cluster-info dump on stdout", map[string]string{"dump.txt": "Cluster info dumped\n" + list(object("Pod", "web-1")) + "\n==== START logs for container web ====\nhello\n"}, want},
		{"support bundle, items without a kind", map[string]string{"cluster-resources/pods/shop.json": `{"items":[` + bare + `]}`}, want},
		{"must-gather", map[string]string{"quay-io/namespaces/shop/core/pods.yaml": "---\napiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: web-1, namespace: shop, creationTimestamp: \"2026-11-30T01:00:00Z\"}\n"}, want},
		{
			"watch events",
			map[string]string{"w.json": `{"type":"ADDED","object":` + object("Pod", "web-1") + "}\n" + `{"type":"DELETED","object":` + object("Pod", "web-1") + "}\n"},
			[]string{"ADDED pods shop/web-1", "DELETED pods shop/web-1"},
		},
		{
			"crust-gather, which collected",
			map[string]string{"namespaces/shop/v1/pod/web-1.yaml": object("Pod", "web-1"), "namespaces/shop/apps-v1/deployment/web.yaml": strings.Replace(object("Deployment", "web"), `"v1"`, `"apps/v1"`, 1)},
			[]string{"ADDED deployments.apps shop/web", "ADDED pods shop/web-1"},
		},
		{
			"crust-gather, which watched",
			map[string]string{
				"namespaces/shop/v1/pod/web-1.yaml": object("Pod", "web-1"),
				"namespaces/shop/v1/pod/web-1.patch": `[{"op":"add","path":"/metadata/annotations","value":{"crust-gather.io/added":"2026-11-30 01:00:05.123456789 UTC"}}]` + "\n" +
					`[{"op":"replace","path":"/metadata/annotations","value":{"crust-gather.io/updated":"2026-11-30 01:00:06 UTC"}},{"op":"replace","path":"/metadata/resourceVersion","value":"6"}]` + "\n" +
					`[{"op":"replace","path":"","value":` + strings.Replace(strings.Replace(object("Pod", "web-1"), `"5"`, `"7"`, 1), `"uid"`, `"annotations":{"crust-gather.io/deleted":"2026-11-30 01:00:07 UTC"},"uid"`, 1) + "}]\n",
			},
			[]string{"ADDED pods shop/web-1", "DELETED pods shop/web-1", "MODIFIED pods shop/web-1"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, holes, err := recorded(t, test.files)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || len(holes) > 0 {
				t.Errorf("recorded (-want +got):\n%s\nholes %v", diff, holes)
			}
		})
	}
}

// What a collector could not read, or what is cut off, is a hole.
func TestSnapshotHoles(t *testing.T) {
	whole := `{"kind":"PodList","apiVersion":"v1","items":[` + object("Pod", "web-1") + `]}`
	for name, text := range map[string]string{
		"cluster-resources/nodes-errors.json": `["nodes is forbidden"]`,
		"shop/services.json":                  whole[:len(whole)-30],
		"namespaces/a/v1/pod/b.yaml":          "kind: [",
		"namespaces/a/v1/pod/c.yaml":          "kind: Pod",
		"namespaces/a/v1/pod/d.patch":         "[]\n",
	} {
		_, holes, err := recorded(t, map[string]string{"shop/pods.json": whole, name: text})
		if err != nil || len(holes) != 1 {
			t.Errorf("%s: holes are %v (%v), want one", name, holes, err)
		}
	}
}

func FuzzSnapshot(f *testing.F) {
	f.Add("pods.json", `{"kind":"PodList","apiVersion":"v1","items":[`+object("Pod", "web-1")+`]}`)
	f.Add("x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: List\nitems: []\n")
	f.Add("w.json", `{"type":"ADDED","object":`+object("Pod", "web-1")+"}\n{")
	f.Add("a-errors.json", `[`)
	f.Add("patch", `[{"op":"copy","from":"/metadata","path":"/metadata/annotations/x"}]`+"\n"+`[{"op":"add","path":"/metadata/annotations","value":{"crust-gather.io/updated":"2026-11-30 01:00:06 UTC"}}]`+"\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		name = filepath.Base(filepath.Clean("/" + strings.ReplaceAll(name, "\x00", "")))
		if len(text) > 1<<16 || len(name) > 100 || name == "/" || strings.ContainsAny(name, "/") {
			return
		}
		began := time.Now()
		files := map[string]string{name: text}
		if name == "patch" {
			const place = "namespaces/shop/v1/pod/web-1"
			files = map[string]string{place + ".yaml": object("Pod", "web-1"), place + ".patch": text}
		}
		_, _, _ = recorded(t, files)
		if time.Since(began) > 20*time.Second {
			t.Error("it takes very long")
		}
	})
}
