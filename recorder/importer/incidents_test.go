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

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/fixtures/incidents"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// TestTruthOfIncidents makes of every recorded incident the audit log that the
// API server would have written of it, and a dump from shortly before its end,
// and compares what these say with the recording. As a managed policy would have
// it, EndpointSlices and what kubelets write have no bodies.
func TestTruthOfIncidents(t *testing.T) {
	all, err := incidents.Load("../../fixtures/incidents")
	if err != nil {
		t.Fatal(err)
	}
	type score struct{ instants, decided, certain, likely int }
	scores := map[string]*score{}
	sources := []string{"audit", "audit+dump", "managed", "managed+dump"}
	every := 4 // SVCSPY_TRUTH=all takes all of them, a minute and a half
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
		t.Run(incident.Name, func(t *testing.T) {
			r, err := store.Open(incident.Recording())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			info := r.Info()
			dump, log, managed := evidenceOf(t, r)
			subject := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
			for _, source := range sources {
				files := []string{log}
				if strings.HasPrefix(source, "managed") {
					files = []string{managed}
				}
				if strings.HasSuffix(source, "dump") {
					files = append(files, dump)
				}
				s := scores[source]
				if s == nil {
					s = &score{}
					scores[source] = s
				}
				m, _ := imported(t, files...)
				for at := info.Start.Add(5 * time.Second); at.Before(info.End.Add(-2 * settling)); at = at.Add(5 * time.Second) {
					got := verdictAt(t, m, subject, at)
					s.instants++
					if got.State == analyzer.Unknown {
						continue
					}
					s.decided++
					want := map[analyzer.State]bool{}
					for d := -settling; d <= settling; d += settling / 2 {
						want[verdictAt(t, r, subject, at.Add(d)).State] = true
					}
					switch {
					case want[got.State]:
						if got.Certainty == analyzer.Certain {
							s.certain++
						}
					case got.Certainty == analyzer.Certain:
						t.Errorf("%s: after %s it is certainly %s; the recording says %v", source, at.Sub(info.Start), got.State, want)
					default:
						s.likely++
						t.Logf("%s: after %s it is %s %s; the recording says %v", source, at.Sub(info.Start), got.Certainty, got.State, want)
					}
				}
			}
		})
	}
	for _, source := range sources {
		if s := scores[source]; s != nil {
			fmt.Printf("import: %-12s %3d %% decided, %d %% certain, 0 certain and different, %d less than certain and different, of %d instants\n",
				source, s.decided*100/max(s.instants, 1), s.certain*100/max(s.instants, 1), s.likely, s.instants)
		}
	}
}

// evidenceOf writes the dump and the audit logs of a recording, and returns their
// paths.
func evidenceOf(t *testing.T, r *store.Recording) (dump, log, managed string) {
	t.Helper()
	info := r.Info()
	taken := info.End.Add(-settling)
	var full, less bytes.Buffer
	objects := map[store.Ref]json.RawMessage{}
	listing := map[string]bool{}
	n := 0
	for e, err := range r.Events(info.First, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Type == store.Relist:
			listing[e.Resource.String()] = true
			continue
		case e.Type == watch.Bookmark:
			delete(listing, e.Resource.String())
			continue
		case !e.IsObject():
			continue
		}
		if !e.Time.After(taken) {
			if e.Type == watch.Deleted {
				delete(objects, e.Ref())
			} else {
				objects[e.Ref()] = slices.Clone(e.Object)
			}
		}
		if listing[e.Resource.String()] {
			continue // it was there before the log
		}
		n++
		verb, code, body := "update", 200, json.RawMessage(e.Object)
		switch e.Type {
		case watch.Added:
			verb, code = "create", 201
		case watch.Deleted:
			verb, body = "delete", json.RawMessage(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}`)
		}
		reference := map[string]string{
			"resource": e.Resource.Resource, "apiGroup": e.Resource.Group, "apiVersion": e.Resource.Version, "namespace": e.Namespace, "name": e.Name, "uid": string(e.UID),
		}
		statusful := slices.Contains([]string{"pods", "nodes", "deployments", "replicasets", "statefulsets", "daemonsets"}, e.Resource.Resource)
		if verb == "update" && statusful {
			reference["subresource"] = "status"
		}
		event := map[string]any{
			"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": fmt.Sprint("a", n), "stage": "ResponseComplete", "verb": verb,
			"requestURI": "/", "user": map[string]string{"username": "somebody"}, "objectRef": reference, "responseStatus": map[string]int{"code": code},
			"responseObject": body, "stageTimestamp": e.Time.UTC().Format(time.RFC3339Nano),
		}
		write := func(to *bytes.Buffer) {
			line, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			to.Write(append(line, '\n'))
		}
		write(&full)
		kubelet := verb == "update" && (e.Resource.Resource == "pods" || e.Resource.Resource == "nodes")
		if bodiless := e.Resource.Resource == "endpointslices" || e.Resource.Resource == "events" || e.Resource.Resource == "leases" || kubelet; bodiless {
			delete(event, "responseObject")
		}
		write(&less)
	}
	for _, to := range []*bytes.Buffer{&full, &less} { // a read, by which the log is known to go on
		fmt.Fprintf(to, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"end","stage":"ResponseComplete","verb":"get","stageTimestamp":%q}`+"\n", info.End.UTC().Format(time.RFC3339Nano))
	}
	var items []json.RawMessage
	for _, ref := range slices.SortedFunc(func(yield func(store.Ref) bool) {
		for ref := range objects {
			if !yield(ref) {
				return
			}
		}
	}, func(a, b store.Ref) int {
		return strings.Compare(a.Resource.String()+a.Namespace+"/"+a.Name, b.Resource.String()+b.Namespace+"/"+b.Name)
	}) {
		items = append(items, objects[ref])
	}
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	dump, log, managed = filepath.Join(dir, "dump.json"), filepath.Join(dir, "audit.log"), filepath.Join(dir, "managed.log")
	for path, text := range map[string][]byte{dump: list, log: full.Bytes(), managed: less.Bytes()} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(dump, taken, taken); err != nil {
		t.Fatal(err)
	}
	return dump, log, managed
}

// No secret reaches what is written, whatever it comes in.
func TestImportRedacts(t *testing.T) {
	const canary = "hunter2-canary-7f3a9c2b"
	secret := `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db","namespace":"shop","uid":"u","resourceVersion":"5","creationTimestamp":"2026-11-30T01:00:00Z"},"stringData":{"password":"` + canary + `"},"data":{"password":"aHVudGVyMi1jYW5hcnktN2YzYTljMmI="}}`
	event := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","verb":"create","requestURI":"/","user":{"username":"alice"},` +
		`"objectRef":{"resource":"secrets","namespace":"shop","name":"db","apiVersion":"v1"},"responseStatus":{"code":201},"requestObject":` + secret + `,"responseObject":` + secret + `,"stageTimestamp":"2026-11-30T01:00:00Z"}`
	dir := t.TempDir()
	log, dump := filepath.Join(dir, "audit.log"), filepath.Join(dir, "dump.json")
	for path, text := range map[string]string{log: event + "\n", dump: `{"kind":"List","apiVersion":"v1","items":[` + secret + `]}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, _ := imported(t, log, dump)
	for e, err := range m.Events(0, m.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(e.Object, []byte(canary)) || bytes.Contains(e.Object, []byte("aHVudGVy")) {
			t.Errorf("the secret is in %s %s: %s", e.Resource.Resource, e.Name, e.Object)
		}
	}
}
