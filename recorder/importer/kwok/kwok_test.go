package kwok_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/kwok"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

var ended = time.Date(2026, 11, 30, 1, 0, 10, 250e6, time.UTC)

func imported(t testing.TB, text string, as string) (all []string, holes []string, err error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "recording.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, ended, ended); err != nil {
		t.Fatal(err)
	}
	options := importer.Options{Sources: []string{path}, Formats: []importer.Format{kwok.Format}, As: as, Policy: redact.Standard(false), Dir: dir}
	if as == "stdin" {
		options.Sources, options.Stdin, options.As = []string{importer.Stdin}, strings.NewReader(text), ""
	}
	e, err := importer.Read(context.Background(), &options)
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
			all = append(all, fmt.Sprintf("%s %s %s %s/%s %s", ev.Time.Format("05.000"), ev.Type, ev.Resource.GroupResource(), ev.Namespace, ev.Name, ev.Object))
		}
	}
	for _, h := range e.Explanation.Holes {
		holes = append(holes, h.Reason)
	}
	return all, holes, nil
}

const text = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  creationTimestamp: $(time-offset-nanosecond -1300000000)
  name: deny
  namespace: shop
  uid: u1
---
action: none
apiVersion: action.kwok.x-k8s.io/v1alpha1
durationNanosecond: 1000000000
kind: ResourcePatch
method: create
resource: {version: v1, resource: pods}
target: {name: web-1, namespace: shop}
template: {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","namespace":"shop","uid":"u2"},"spec":{"containers":[{"name":"a","image":"a:1"},{"name":"b","image":"b:1"}]}}
---
apiVersion: action.kwok.x-k8s.io/v1alpha1
durationNanosecond: 2000000000
kind: ResourcePatch
method: patch
resource: {version: v1, resource: pods}
target: {name: web-1, namespace: shop}
template: {"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"b","image":"b:2"}]}}
---
apiVersion: action.kwok.x-k8s.io/v1alpha1
durationNanosecond: 8000000000
kind: ResourcePatch
method: delete
resource: {group: networking.k8s.io, version: v1, resource: networkpolicys}
target: {name: deny, namespace: shop}
`

// TestRecording: it ended at 10.25 and is 8 s long, and what was made at 1.3 s before its
// beginning was made in a whole second: it began at 2.3.
func TestRecording(t *testing.T) {
	got, holes, err := imported(t, text, "")
	if err != nil || len(holes) > 0 {
		t.Fatal(err, holes)
	}
	policy := `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"creationTimestamp":"2026-11-30T01:00:01Z","name":"deny","namespace":"shop","uid":"u1"}}`
	pod := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","namespace":"shop","uid":"u2"},"spec":{"containers":[%s]}}`
	want := []string{
		"02.300 ADDED networkpolicies.networking.k8s.io shop/deny " + policy,
		"03.300 ADDED pods shop/web-1 " + fmt.Sprintf(pod, `{"image":"a:1","name":"a"},{"image":"b:1","name":"b"}`),
		"04.300 MODIFIED pods shop/web-1 " + fmt.Sprintf(pod, `{"image":"b:2","name":"b"},{"image":"a:1","name":"a"}`),
		"10.300 DELETED networkpolicies.networking.k8s.io shop/deny " + policy,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHoles(t *testing.T) {
	for name, test := range map[string]struct{ text, as, want string }{
		"from a pipe":      {text, "stdin", "unpack it"},
		"a foreign patch":  {strings.Replace(text, "method: create", "method: apply", 1), "", "by the method"},
		"an unknown Pod":   {strings.Replace(text, "method: create", "method: patch", 1), "", "not known"},
		"longer than ever": {strings.Replace(text, "8000000000", "8000000000000000000", 1), "", "longer than a year"},
		"before it began":  {strings.Replace(text, "durationNanosecond: 2000000000", "durationNanosecond: -5", 1), "", "at no time"},
		"no YAML":          {text + "---\n{", "", "no YAML"},
	} {
		_, holes, err := imported(t, test.text, test.as)
		if told := fmt.Sprint(err, holes); !strings.Contains(told, test.want) {
			t.Errorf("%s: %s; want %q", name, told, test.want)
		}
	}
}

func FuzzKwok(f *testing.F) {
	f.Add(text)
	f.Add(strings.ReplaceAll(text, "$setElementOrder", "$deleteFromPrimitiveList"))
	f.Add(strings.Replace(text, `"image":"b:2"`, `"$patch":"delete"`, 1))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<15 {
			return
		}
		began := time.Now()
		_, _, _ = imported(t, text, "kwok")
		if time.Since(began) > 20*time.Second {
			t.Error("it takes very long")
		}
	})
}
