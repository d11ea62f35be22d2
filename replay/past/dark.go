package past

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Reconstruction is what can be said of a subject at an instant before the
// recording.
type Reconstruction struct {
	Report analyzer.Report // Unknown, or NotServing where the facts show it
	Facts  []Fact          // what had happened by then, oldest first
}

// Reconstruct says what is known of a subject at an instant before the
// recording. There is no error if nothing is.
func Reconstruct(t replay.Timeline, subject store.Ref, at time.Time) (*Reconstruction, error) {
	facts, err := Of(t, subject)
	if err != nil {
		return nil, err
	}
	b, err := BeginningOf(t)
	if err != nil {
		return nil, err
	}
	return &Reconstruction{Report: b.report(subject, at, facts), Facts: knownAt(facts, at)}, b.Err()
}

// ReconstructAll says what is known of every Service at an instant before the
// recording, worst first, and all that had happened by then.
func ReconstructAll(t replay.Timeline, at time.Time) ([]analyzer.Report, []Fact, error) {
	facts, err := All(t)
	if err != nil {
		return nil, nil, err
	}
	b, err := BeginningOf(t)
	if err != nil {
		return nil, nil, err
	}
	reports := []analyzer.Report{}
	for _, o := range b.List(store.Query{Resource: replay.Services}) {
		if m, err := change.Metadata(o.Object); err == nil && !m.CreationTimestamp.After(at) {
			reports = append(reports, b.report(o.Ref(), at, facts))
		}
	}
	slices.SortStableFunc(reports, func(a, b analyzer.Report) int {
		return cmp.Compare(verdict.Rank(a.Verdict.State), verdict.Rank(b.Verdict.State))
	})
	return reports, knownAt(facts, at), b.Err()
}

func knownAt(facts []Fact, at time.Time) []Fact {
	return slices.DeleteFunc(slices.Clone(facts), func(f Fact) bool { return !f.Known(at) })
}

// FirstState is the first complete state of a recording, from which its past is
// reconstructed.
type FirstState struct {
	*replay.State
	written map[store.Ref]time.Time // since when, at the latest, EndpointSlices are as they are
	left    map[string]time.Time    // when, at the latest, a Pod of a namespace went away last
}

func BeginningOf(t replay.Timeline) (*FirstState, error) {
	p, err := newCollector(t)
	if err != nil {
		return nil, err
	}
	s, err := replay.NewCursor(t).Seek(p.complete())
	return &FirstState{State: s}, err
}

// Dark is since when, at the latest, a Service had no usable endpoint that had
// none when the recording began: its EndpointSlices have been as they are since
// they were written last. Zero if that is not so or nothing tells. There may
// have been another slice, which is gone, if those that are there were made
// after the Service: then it is dark only since its Pods must have been gone.
func (b *FirstState) Dark(subject store.Ref, facts []Fact) time.Time {
	if subject.Resource != replay.Services || !b.Coverage(replay.EndpointSlices, subject.Namespace).Status.AbsenceProven() {
		return time.Time{}
	}
	svc := b.Get(subject)
	if r := analyzer.Diagnose(b, subject, analyzer.Options{}); svc == nil || r.Verdict.State != analyzer.NotServing {
		return time.Time{}
	}
	created := analyzer.As[corev1.Service](svc).CreationTimestamp.Time
	b.index(facts)
	var since time.Time
	replaced := false
	for _, o := range b.List(store.Query{Resource: replay.EndpointSlices, Namespace: subject.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: subject.Name}}) {
		written, told := b.written[o.Ref()]
		sl := analyzer.As[discoveryv1.EndpointSlice](o)
		usable := len(sl.Ports) > 0 && slices.ContainsFunc(sl.Endpoints, func(e discoveryv1.Endpoint) bool {
			c := e.Conditions
			return c.Ready == nil || *c.Ready || c.Serving != nil && *c.Serving
		})
		if usable || !told {
			return time.Time{} // what it lists is dead by now, and may not have been then
		}
		if written.After(since) {
			since = written
		}
		replaced = replaced || sl.CreationTimestamp.Sub(created) > sliceDelay
	}
	if gone := b.left[subject.Namespace].Add(corev1.DefaultTerminationGracePeriodSeconds * time.Second); replaced && gone.After(since) {
		since = gone
	}
	return since
}

// sliceDelay is how long after its Service the first EndpointSlice is made.
const sliceDelay = 10 * time.Second

// index notes what the facts say of EndpointSlices and of Pods that are gone.
func (b *FirstState) index(facts []Fact) {
	if b.written != nil {
		return
	}
	b.written, b.left = map[store.Ref]time.Time{}, map[string]time.Time{}
	for i := range facts {
		f := &facts[i]
		switch {
		case f.Ref.Resource == replay.EndpointSlices && (f.What == Writing || f.What == Creation):
			if f.Latest.After(b.written[f.Ref]) {
				b.written[f.Ref] = f.Latest
			}
		case f.What == KubernetesEvent && slices.Contains(departures, f.Reason):
			if f.Latest.After(b.left[f.Subject.Namespace]) {
				b.left[f.Subject.Namespace] = f.Latest
			}
		}
	}
}

// departures are the reasons of Kubernetes Events by which Pods go away.
var departures = []string{"SuccessfulDelete", "Killing", "Evicted", "Preempted", "TaintManagerEviction"}

// report is what the facts say of a subject at an instant.
func (b *FirstState) report(subject store.Ref, at time.Time, facts []Fact) analyzer.Report {
	info := b.Timeline().Info()
	start := info.Start.UTC().Format("15:04:05Z")
	unknown := "before " + start + " nobody was listening: what happened then and left no trace is not known"
	if info.Source != nil && !at.Before(info.Source.Start) {
		unknown = "of the time before " + start + " only what matters later is here; what else was heard is in the recording this one was cut from"
	}
	about := analyzer.Diagnose(b, subject, analyzer.Options{}).Subject
	r := analyzer.Report{
		Subject:   about,
		Verdict:   analyzer.Verdict{State: analyzer.Unknown, Certainty: analyzer.Possible, Classes: []analyzer.ClassResult{}},
		Headline:  analyzer.Headline{Subject: about, Message: "reconstructed: what the verdict was is not known, as the recording starts only at " + start},
		Because:   []analyzer.Finding{},
		Also:      []analyzer.Finding{},
		Symptoms:  []analyzer.Finding{},
		Risks:     []analyzer.Finding{},
		Hints:     []analyzer.Finding{},
		Checklist: []analyzer.Step{},
		Undecided: []string{unknown},
	}
	if dark := b.Dark(subject, facts); !dark.IsZero() && !at.Before(dark) {
		r.Verdict.State, r.Verdict.Since, r.Verdict.SinceNote = analyzer.NotServing, dark, "or earlier: reconstructed"
		r.Headline.Message = "reconstructed: " + NoEndpoint(about, dark) + "; the recording starts only at " + start
	}
	return r
}

func NoEndpoint(s analyzer.Subject, since time.Time) string {
	return s.Kind + " " + strings.TrimPrefix(s.Namespace+"/"+s.Name, "/") + " had no usable endpoint, since " + since.UTC().Format("15:04:05Z") + " at the latest"
}
