package analyzer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/fixtures/incidents"
	"github.com/svcspy/svcspy/store"
)

// spacing is how far apart the moments are at which properties are checked.
const spacing = 10 * time.Second

// recorded runs f over each recorded incident, with moments worth looking at:
// one each spacing.
func recorded(t *testing.T, f func(t *testing.T, r *store.Recording, moments []time.Time)) {
	all, err := incidents.Load("../fixtures/incidents")
	if err != nil {
		t.Fatal(err)
	}
	for _, incident := range all {
		if _, err := os.Stat(incident.Recording()); err != nil {
			continue // written down, and not recorded yet
		}
		t.Run(incident.Name, func(t *testing.T) {
			r, err := store.Open(incident.Recording())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var moments []time.Time
			for at := r.Info().Start; at.Before(r.Info().End); at = at.Add(spacing) {
				moments = append(moments, at)
			}
			f(t, r, moments)
		})
	}
}

// subjects are all objects at a position that can be asked about.
func subjects(t *testing.T, v *view) []store.Ref {
	t.Helper()
	var refs []store.Ref
	for _, k := range []kind{kindOf[corev1.Service](), kindOf[appsv1.Deployment](), kindOf[corev1.Pod](), kindOf[corev1.Node](), kindOf[networkingv1.Ingress]()} {
		for _, o := range v.List(store.Query{Resource: k.resource}) {
			refs = append(refs, o.Ref())
		}
	}
	return append(refs, store.Ref{Resource: kindOf[corev1.Service]().resource, Namespace: "shop", Name: "web"})
}

func viewAt(t *testing.T, r timeline, at time.Time) *view {
	t.Helper()
	seq, err := r.SeqAt(at)
	if err != nil {
		t.Fatal(err)
	}
	return newView(r, seq, at)
}

// without returns the same view with a kind hidden or interrupted; it shares
// the decoded objects.
func without(v *view, k kind) []*view {
	hidden, interrupted := *v, *v
	hidden.hidden, interrupted.interrupted = k.resource, k.resource
	return []*view{&hidden, &interrupted}
}

func bytesOf(t *testing.T, r Report) string {
	t.Helper()
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Equal Views give equal bytes, every diagnosis is in the catalogue and has
// evidence, and the objects of the View are as they were.
func TestReportsAreSound(t *testing.T) {
	recorded(t, func(t *testing.T, r *store.Recording, moments []time.Time) {
		for _, at := range moments {
			v, same := viewAt(t, r, at), viewAt(t, r, at)
			for _, subject := range subjects(t, v) {
				report := Diagnose(v, subject, Options{})
				again := Diagnose(same, subject, Options{})
				if diff := cmp.Diff(bytesOf(t, report), bytesOf(t, again)); diff != "" {
					t.Fatalf("%s at %s differs from itself:\n%s", subject.Name, at, diff)
				}
				checkReport(t, report)
			}
			unchanged(t, v)
		}
	})
}

// checkReport checks what must hold for every report.
func checkReport(t testing.TB, r Report) {
	t.Helper()
	for _, list := range [][]Finding{r.Because, r.Also, r.Symptoms, r.Risks, r.Hints} {
		for _, f := range list {
			if registry.Known(f.ID) == nil {
				t.Errorf("%s %s: diagnosis %q is not in the catalogue", r.Subject.Kind, r.Subject.Name, f.ID)
			}
			if len(f.Evidence) == 0 || f.Message == "" {
				t.Errorf("%s %s: %s has no evidence or no message", r.Subject.Kind, r.Subject.Name, f.ID)
			}
		}
	}
	if r.Headline.Message == "" || r.Verdict.State == "" || r.Verdict.Certainty == "" {
		t.Errorf("%s %s: incomplete: %+v %+v", r.Subject.Kind, r.Subject.Name, r.Verdict, r.Headline)
	}
	if (r.Verdict.State == NotServing || r.Verdict.State == Absent || r.Verdict.State == Degraded) && len(r.Because) == 0 {
		t.Errorf("%s %s is %s because of nothing", r.Subject.Kind, r.Subject.Name, r.Verdict.State)
	}
}

// unchanged decodes every object anew and compares.
func unchanged(t *testing.T, v *view) {
	t.Helper()
	for _, o := range v.objects {
		k := kindsByResource[o.Resource.GroupResource()]
		if k.goType == nil || o.Value() == nil {
			continue
		}
		fresh := reflect.New(k.goType).Interface()
		if err := json.Unmarshal(o.Object, fresh); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fresh, o.Value()) {
			t.Errorf("%s %s/%s was changed:\n%s", k.name, o.Namespace, o.Name, cmp.Diff(fresh, o.Value()))
		}
	}
}

// A report does not change when the recording goes on: one that ends at the
// moment gives the same.
func TestNoLookAhead(t *testing.T) {
	recorded(t, func(t *testing.T, r *store.Recording, moments []time.Time) {
		info := r.Info()
		cut := store.NewMemory(info.Header)
		next := info.First
		for _, at := range moments {
			end, err := r.SeqAt(at)
			if err != nil {
				t.Fatal(err)
			}
			next = copyTo(t, cut, r, next, end)
			short, long := newView(cut, end, at), newView(r, end, at)
			for _, subject := range subjects(t, long) {
				want := bytesOf(t, Diagnose(short, subject, Options{}))
				got := bytesOf(t, Diagnose(long, subject, Options{}))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s at %s knows what comes later (-want +got):\n%s", subject.Name, at, diff)
				}
			}
		}
	})
}

// copyTo appends the positions from next to end, and returns what follows.
func copyTo(t *testing.T, to *store.Memory, r *store.Recording, next, end store.Seq) store.Seq {
	t.Helper()
	for ; next <= end; next++ {
		e, err := r.Event(next)
		if err == nil {
			_, err = to.Append(e)
		} else {
			var entries []store.Coverage
			if entries, err = r.Ledger(next, next); err == nil {
				_, err = to.Cover(entries[0])
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return next
}

// Without a kind the answer may be the same, or it is not called certain.
func TestLessCoverageIsNeverCertainOfSomethingElse(t *testing.T) {
	recorded(t, func(t *testing.T, r *store.Recording, moments []time.Time) {
		for i, at := range moments {
			if i%6 != 1 {
				continue
			}
			full := viewAt(t, r, at)
			for i, subject := range subjects(t, full) {
				for _, o := range []Options{{}, {Symptom: "timeout"}} {
					if i > 4 && o.Symptom != "" {
						continue // Services come first
					}
					want := answered(Diagnose(full, subject, o))
					for _, k := range readKinds {
						for _, v := range without(full, k) {
							report := Diagnose(v, subject, o)
							if got := answered(report); got != want && report.Verdict.Certainty == Certain {
								t.Fatalf("%s %s at %s without %s: certain of %s, was %s", subject.Resource.Resource, subject.Name, at, k.plural, got, want)
							}
						}
					}
				}
			}
		}
	})
}

func answered(r Report) string {
	return fmt.Sprint(r.Verdict.State, " ", r.Headline.ID, " ", r.Headline.Subject)
}

// The catalogue names only kinds that are read, and every id once.
func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range registry.Catalogue() {
		if seen[d.ID] {
			t.Errorf("%s is declared twice", d.ID)
		}
		seen[d.ID] = true
	}
	for _, d := range registry.Catalogue() {
		for _, name := range d.Kinds {
			if _, ok := kindsByName[name]; !ok {
				t.Errorf("%s needs %s, which nobody reads", d.ID, name)
			}
		}
		if !slices.Contains([]string{registry.Outage, registry.Degraded, registry.Risk, registry.Hint, registry.Info}, d.Severity) || d.Meaning == "" {
			t.Errorf("%s: severity %q, meaning %q", d.ID, d.Severity, d.Meaning)
		}
	}
}

// TestDeclarations: no part of a diagnosis is left out, and the function that is
// said to decide it is one of this package that names it.
func TestDeclarations(t *testing.T) {
	var sources string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources += string(text)
	}
	for _, d := range registry.Catalogue() {
		if d.ID == "" || registry.SeverityRank(d.Severity) < 0 || d.Meaning == "" || d.Trap == "" || d.Changes == nil || d.Rule == "" {
			t.Errorf("%q is declared without severity, meaning, trap, changes or the function that decides it", d.ID)
			continue
		}
		if d.Steps == "" && d.Severity != registry.Info && d.Severity != registry.Hint {
			t.Errorf("%s answers no step of the checklist", d.ID)
		}
		receiver, name, _ := strings.Cut(d.Rule, ".")
		_, body, found := strings.Cut(sources, " *"+receiver+") "+name+"(")
		body, _, _ = strings.Cut(body, "\n}\n")
		if !found || !strings.Contains(body, `"`+d.ID+`"`) {
			t.Errorf("%s is not decided by %s: that is no method here, or does not name it", d.ID, d.Rule)
		}
		for _, r := range d.Changes {
			if len(r.Resources) == 0 || len(r.Paths) == 0 && !r.Existence {
				t.Errorf("%s: a rule for changes matches none: %+v", d.ID, r)
			}
		}
	}
}
