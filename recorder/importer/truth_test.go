package importer_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/audit"
	"github.com/svcspy/svcspy/recorder/importer/etcd"
	"github.com/svcspy/svcspy/recorder/importer/kwok"
	"github.com/svcspy/svcspy/recorder/importer/snapshot"
	"github.com/svcspy/svcspy/recorder/importer/velero"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

var formats = []importer.Format{etcd.Format, audit.Format, velero.Format, kwok.Format, snapshot.Format}

// imported imports files into memory.
func imported(t testing.TB, sources ...string) (*store.Memory, *importer.Explanation) {
	t.Helper()
	return importedWith(t, importer.Options{Sources: sources})
}

func importedWith(t testing.TB, options importer.Options) (*store.Memory, *importer.Explanation) {
	t.Helper()
	options.Formats, options.Policy, options.Dir = formats, redact.Standard(false), t.TempDir()
	e, err := importer.Read(context.Background(), &options)
	if err != nil {
		t.Fatal(err)
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
	return m, &e.Explanation
}

// unpacked writes a packed file of testdata into a folder, as it was collected: a
// dump has the time at which it was written.
func unpacked(t testing.TB, name string, written time.Time) string {
	t.Helper()
	in, err := os.Open(filepath.Join("testdata", name+".zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	path := filepath.Join(t.TempDir(), name)
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.WriteTo(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if !written.IsZero() {
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// real are incidents that were played on a real control plane while svcspy
// recorded and the API server wrote its audit log; a dump was taken at the end.
var real = []string{"quota-exceeded", "bad-image-rollout", "selector-edited"}

// settling is how far the recorder and the audit log may be apart about when
// something happened.
const settling = time.Second

// TestTruth compares what imported evidence says with what the recording of the
// same minutes says, at each half second: the same, or Unknown. Near a change
// of the recording either side of it counts.
func TestTruth(t *testing.T) {
	step := settling / 2
	if testing.Short() {
		step = 5 * time.Second
	}
	for _, source := range []string{"audit", "audit+dump", "dump", "etcd"} {
		total, decided, certain, likely := 0, 0, 0, 0
		for _, incident := range real {
			if source == "etcd" && incident != "selector-edited" {
				continue // no snapshot was taken
			}
			t.Run(source+"/"+incident, func(t *testing.T) {
				r, err := store.Open(filepath.Join("testdata", incident+".db"))
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				info := r.Info()
				var files []string
				if source == "etcd" {
					files = append(files, unpacked(t, incident+".etcd.db", time.Time{}))
				}
				if strings.HasPrefix(source, "audit") {
					files = append(files, unpacked(t, incident+".audit.jsonl", time.Time{}))
				}
				if strings.HasSuffix(source, "dump") {
					files = append(files, unpacked(t, incident+".dump.json", info.End.Add(-settling)))
				}
				m, _ := imported(t, files...)
				start := info.Start.Add(settling)
				if source == "dump" {
					start = m.Info().End // it says nothing about any other instant
				}
				for at := start; at.Before(info.End); at = at.Add(step) {
					if source == "dump" && !at.Equal(start) {
						break
					}
					subject := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
					got := verdictAt(t, m, subject, at)
					total++
					if got.State == analyzer.Unknown {
						continue
					}
					decided++
					want := map[analyzer.State]bool{}
					for d := -settling; d <= settling; d += settling / 4 {
						want[verdictAt(t, r, subject, at.Add(d)).State] = true
					}
					switch {
					case want[got.State]:
						if got.Certainty == analyzer.Certain {
							certain++
						}
					case got.Certainty == analyzer.Certain:
						t.Errorf("at %s it is certainly %s; the recording says %v", at.Format(time.TimeOnly), got.State, want)
					default:
						likely++
						t.Logf("at %s it is %s %s; the recording says %v", at.Format(time.TimeOnly), got.Certainty, got.State, want)
					}
				}
			})
		}
		fmt.Printf("import: %s %d %% decided, %d %% certain, 0 certain and different, %d less than certain and different, of %d instants\n",
			source, decided*100/max(total, 1), certain*100/max(total, 1), likely, total)
	}
}

// A log without what some component wrote says nothing else for certain than the
// recording, if the policy that left it out is known.
func TestOmitted(t *testing.T) {
	for _, user := range []string{"system:kube-controller-manager", "system:node:", "admin"} {
		text, err := os.ReadFile(unpacked(t, "selector-edited.audit.jsonl", time.Time{}))
		if err != nil {
			t.Fatal(err)
		}
		var rest []byte
		for line := range bytes.Lines(text) {
			if !bytes.Contains(line, []byte(`"username":"`+user)) {
				rest = append(rest, line...)
			}
		}
		if len(rest) == len(text) {
			continue
		}
		log := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(log, rest, 0o600); err != nil {
			t.Fatal(err)
		}
		policy, err := audit.ParsePolicy([]byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: None, users: ['" + user + "']}\n- {level: RequestResponse}\n"))
		if err != nil {
			t.Fatal(err)
		}
		m, x := importedWith(t, importer.Options{Sources: []string{log, unpacked(t, "selector-edited.dump.json", time.Time{})}, Omits: policy.Omits})
		for _, r := range x.Resources {
			if r.Status == store.Current || len(r.Proven) > 0 {
				t.Errorf("without %s %s is %s, and proven in %v", user, r.Resource, r.Status, r.Proven)
			}
		}
		r := opened(t, filepath.Join("testdata", "selector-edited.db"))
		info, subject := r.Info(), store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
		for at := info.Start.Add(settling); at.Before(info.End.Add(-2 * settling)); at = at.Add(5 * time.Second) {
			got := verdictAt(t, m, subject, at)
			if got.State == analyzer.Unknown || got.Certainty != analyzer.Certain {
				continue
			}
			want := map[analyzer.State]bool{}
			for d := -settling; d <= settling; d += settling / 2 {
				want[verdictAt(t, r, subject, at.Add(d)).State] = true
			}
			if !want[got.State] {
				t.Errorf("without %s it is certainly %s at %s; the recording says %v", user, got.State, at.Format(time.TimeOnly), want)
			}
		}
	}
}

func verdictAt(t testing.TB, timeline replay.Timeline, subject store.Ref, at time.Time) analyzer.Verdict {
	t.Helper()
	cursor := replay.NewCursor(timeline)
	s, err := cursor.SeekTime(at)
	if info := timeline.Info(); at.Equal(info.End) {
		s, err = cursor.End()
	}
	if err != nil {
		t.Fatal(err)
	}
	return analyzer.Diagnose(s, subject, analyzer.Options{Brief: true}).Verdict
}

// Whoever edited the selector is named by the change that took the endpoints
// away, and so is whoever deleted the Pods.
func TestRequester(t *testing.T) {
	m, _ := imported(t, unpacked(t, "selector-edited.audit.jsonl", time.Time{}))
	changes, err := change.List(m, store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}, 0, m.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	var edits []string
	for _, c := range changes {
		if c.Requester == nil {
			t.Fatalf("#%d %s %s: nobody is named", c.Seq, c.Verb, c.Path)
		}
		edits = append(edits, fmt.Sprintf("%s %s by %s with %s", c.Verb, c.Path, c.Requester, strings.Fields(c.Requester.Agent)[0]))
	}
	want := []string{
		"created / by admin from 127.0.0.1 with kubectl/v0.0.0",
		"updated /spec/selector/tier by admin from 127.0.0.1 with kubectl/v0.0.0",
		"updated /spec/selector/tier by admin from 127.0.0.1 with kubectl/v0.0.0",
	}
	if diff := cmp.Diff(want, edits); diff != "" {
		t.Errorf("changes of the Service (-want +got):\n%s", diff)
	}
	m, _ = imported(t, unpacked(t, "quota-exceeded.audit.jsonl", time.Time{}))
	changes, err = change.List(m, store.Ref{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, Namespace: "shop", Name: "web"}, 0, m.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	scaled := slices.IndexFunc(changes, func(c change.Change) bool { return c.Path == "/spec/replicas" })
	if scaled < 0 {
		scaled = slices.IndexFunc(changes, func(c change.Change) bool {
			return slices.ContainsFunc(c.AllFields, func(f change.Field) bool { return f.Path == "/spec/replicas" })
		})
	}
	if scaled < 0 || changes[scaled].Requester == nil || changes[scaled].Requester.User != "admin" {
		t.Errorf("who scaled the Deployment is not told: change %d of %d", scaled, len(changes))
	}
}
