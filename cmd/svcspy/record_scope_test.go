package main

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/fixtures/incidents"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// eachIncident runs f over the recorded incidents; with -short over every
// eighth.
func eachIncident(t *testing.T, f func(t *testing.T, i incidents.Incident, r *store.Recording)) {
	t.Helper()
	all, err := incidents.Load("../../fixtures/incidents")
	if err != nil {
		t.Fatal(err)
	}
	for n, incident := range all {
		if _, err := os.Stat(incident.Recording()); err != nil || testing.Short() && n%8 != 0 {
			continue
		}
		t.Run(incident.Name, func(t *testing.T) {
			r, err := store.Open(incident.Recording())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f(t, incident, r)
		})
	}
}

// recordedAs returns what a recorder with these options would have heard of a
// recorded cluster.
func recordedAs(t *testing.T, r *store.Recording, o recorder.Options) *store.Memory {
	t.Helper()
	info := r.Info()
	header := info.Header
	header.Scope = o.Scope()
	m := store.NewMemory(header)
	targets, err := o.Targets(info.Resources)
	if err != nil {
		t.Fatal(err)
	}
	// of are the targets that what was heard of a whole resource, or of an
	// object in a namespace, belongs to.
	of := func(e store.Event, c *store.Coverage) []recorder.Target {
		return slices.DeleteFunc(slices.Clone(targets), func(target recorder.Target) bool {
			resource := e.Resource
			if c != nil {
				resource = c.Resource
			}
			return target.Resource != resource || c == nil && e.IsObject() && target.Namespace != "" && target.Namespace != e.Namespace
		})
	}
	matched := map[string]bool{}
	keeps := func(target recorder.Target, e store.Event) bool {
		if target.Selector == "" || !e.IsObject() || matched[string(e.UID)] {
			return true
		}
		var o struct{ Metadata struct{ Labels labels.Set } }
		selector, err := labels.Parse(target.Selector)
		if err = errors.Join(err, json.Unmarshal(e.Object, &o)); err != nil {
			t.Fatal(err)
		}
		matched[string(e.UID)] = selector.Matches(o.Metadata.Labels)
		return matched[string(e.UID)]
	}
	ledger, err := r.Ledger(0, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	cover := func(before store.Seq) {
		for len(ledger) > 0 && ledger[0].Seq < before {
			for _, target := range of(store.Event{}, &ledger[0]) {
				c := ledger[0]
				if c.Namespace == "" {
					c.Namespace = target.Namespace
				}
				if target.Selector != "" && c.Status == store.Current {
					c.Status, c.Reason = store.Partial, "only "+target.Selector
				}
				if _, err := m.Cover(c); err != nil {
					t.Fatal(err)
				}
			}
			ledger = ledger[1:]
		}
	}
	for e, err := range r.Events(1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		cover(e.Seq)
		for _, target := range of(e, nil) {
			heard := e
			if !e.IsObject() && e.Namespace == "" {
				heard.Namespace = target.Namespace
			}
			if !keeps(target, e) {
				continue
			}
			if _, err := m.Append(heard); err != nil {
				t.Fatal(err)
			}
		}
	}
	cover(info.Last + 1)
	if err := m.Commit(info.End); err != nil {
		t.Fatal(err)
	}
	return m
}

// essence is what must not depend on what else was recorded.
type essence struct {
	State     analyzer.State
	Intent    string
	Certainty analyzer.Certainty
	Since     time.Time
	Classes   []analyzer.ClassResult
	Headline  string
	Because   []string
	Ready     int
	Desired   int
	Undecided []string
}

func essenceAt(t *testing.T, timeline replay.Timeline, subject store.Ref, at time.Time) essence {
	t.Helper()
	s, err := replay.NewCursor(timeline).SeekTime(at)
	if err != nil {
		t.Fatal(err)
	}
	r := analyzer.Diagnose(s, subject, analyzer.Options{})
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	e := essence{
		State: r.Verdict.State, Intent: r.Verdict.Intent, Certainty: r.Verdict.Certainty, Since: r.Verdict.Since, Classes: r.Verdict.Classes,
		Headline: r.Headline.ID + ": " + r.Headline.Message, Ready: r.Endpoints.Ready, Desired: r.Endpoints.Desired, Undecided: r.Undecided,
	}
	for _, f := range r.Because {
		e.Because = append(e.Because, f.ID)
	}
	return e
}

// moments are instants worth looking at: as verdicts change, and between.
func moments(t *testing.T, r *store.Recording, subject store.Ref) []time.Time {
	t.Helper()
	info := r.Info()
	segments, err := verdict.Of(t.Context(), r, subject, info.Start, info.End)
	if err != nil {
		t.Fatal(err)
	}
	var at []time.Time
	for _, s := range segments {
		at = append(at, s.From, s.From.Add(s.To.Sub(s.From)/2))
	}
	return at
}

// TestSubjectScope tells every incident from a recording of one subject and its
// reference closure: at every instant the answer is that of the recording of the
// whole cluster.
func TestSubjectScope(t *testing.T) {
	compared := 0
	eachIncident(t, func(t *testing.T, incident incidents.Incident, r *store.Recording) {
		subjects := []store.Ref{}
		named, err := replay.ParseSubject([]string{incident.Subject}, incident.Namespace, r.Info().Resources)
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, named)
		// And one of each other kind.
		for _, kind := range []string{"nodes", "pods", "deployments.apps", "ingresses"} {
			for e := range r.Events(1, r.Info().Last) {
				if e.IsObject() && e.Namespace != "kube-system" && e.Resource.GroupResource().String() == kind {
					subjects = append(subjects, e.Ref())
					break
				}
			}
		}
		for _, subject := range subjects {
			narrow := recordedAs(t, r, recorder.Options{Profile: recorder.Standard, Subjects: []store.Ref{subject}})
			for _, at := range moments(t, r, subject) {
				compared++
				whole, part := essenceAt(t, r, subject, at), essenceAt(t, narrow, subject, at)
				if incident.Name == "webhook-down" && len(part.Undecided) > 0 && part.State == whole.State &&
					(part.Certainty != analyzer.Certain || part.Headline == whole.Headline) {
					continue // the webhook's Service is in another namespace, and the answer says that it misses it
				}
				if diff := cmp.Diff(whole, part); diff != "" {
					t.Errorf("%s %s/%s at %s (-whole +subject):\n%s", subject.Resource.Resource, subject.Namespace, subject.Name, at, diff)
				}
			}
		}
	})
	t.Logf("%d equal answers", compared)
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

// TestSelectorScope tells every incident from a recording of the objects that
// match a label selector: what is missing is not taken for what does not exist.
func TestSelectorScope(t *testing.T) {
	unsure := 0
	eachIncident(t, func(t *testing.T, incident incidents.Incident, r *store.Recording) {
		subject, err := replay.ParseSubject([]string{incident.Subject}, incident.Namespace, r.Info().Resources)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"app=web", "app=nobody", "!app"} {
			selector, err := labels.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			part := recordedAs(t, r, recorder.Options{Profile: recorder.Standard, Selector: selector})
			for _, at := range moments(t, r, subject) {
				whole, got := essenceAt(t, r, subject, at), essenceAt(t, part, subject, at)
				if got.Certainty == analyzer.Certain && (got.State != whole.State || got.Headline != whole.Headline) {
					t.Errorf("with %s at %s: certain, and wrong (-whole +part):\n%s", text, at, cmp.Diff(whole, got))
				}
				if got.Certainty == analyzer.Certain && !whole.sure() {
					t.Errorf("with %s at %s: %s is certain from less", text, at, got.State)
				}
				if strings.Contains(got.Headline, "matches-nothing") && got.Certainty == analyzer.Certain {
					t.Errorf("with %s at %s: no Pods: %s", text, at, got.Headline)
				}
				if got.Certainty != analyzer.Certain && whole.Certainty == analyzer.Certain {
					unsure++
					if len(got.Undecided) == 0 {
						t.Errorf("with %s at %s: unsure, and no word why", text, at)
					}
				}
			}
		}
	})
	if unsure == 0 {
		t.Error("nothing became unsure")
	}
}

func (e *essence) sure() bool { return e.Certainty == analyzer.Certain }
