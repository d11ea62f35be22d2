package postmortem

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/lane"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Picture is how things were over the window, one lane for each object.
type Picture struct {
	Window    Window `json:"window"` // that of the document, and what is known from before it
	Lanes     []Lane `json:"lanes"`
	MorePods  int    `json:"morePods,omitempty"`
	MoreNodes int    `json:"moreNodes,omitempty"`
	Marks     []Mark `json:"marks"`
	Deeds     []Deed `json:"deeds"` // the changes that began and ended the outage
	// Reconstructed is the end of the part that was not observed but derived from
	// what the first objects still carried; zero if there is none.
	Reconstructed time.Time `json:"reconstructed,omitzero"`
}

// Lane is one object over time.
type Lane struct {
	Kind   string   `json:"kind"` // verdict, endpoints, pod or node; service: the verdict on another one; cause: another object that the outage came from
	Object string   `json:"object"`
	Spans  []Stay   `json:"spans"`
	Gaps   []Window `json:"gaps"` // when nobody was listening to it
}

// Stay is a stretch of time in which a lane was in one state.
type Stay struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	State   string    `json:"state"`
	Seq     store.Seq `json:"seq,omitempty"`
	Note    string    `json:"note,omitempty"`
	Ready   int       `json:"ready,omitempty"` // of endpoints
	Desired int       `json:"desired,omitempty"`
}

// Deed is a change, as the axis shows it.
type Deed struct {
	Time time.Time `json:"time"`
	Seq  store.Seq `json:"seq"`
	Text string    `json:"text"`
}

// Mark is a remark of a person about a moment.
type Mark struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

var (
	pods     = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodes    = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	slicesOf = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
)

// picture draws the lanes: the verdict, the endpoints, the Pods and their Nodes.
func (s *documentBuilder) picture(ctx context.Context) (Picture, error) {
	pic := Picture{Window: s.window, Lanes: []Lane{s.courseLane("verdict", named(s.about), s.segments)}, Marks: []Mark{}, Deeds: s.deeds()}
	if begun := s.past(&pic.Lanes[0]); begun.Before(s.window.From) {
		pic.Window.From, pic.Reconstructed = begun, s.window.From
	}
	for _, m := range s.marks {
		pic.Marks = append(pic.Marks, Mark{m.Time.UTC(), s.remark(&m)})
	}
	causes, err := s.culpritLanes(ctx)
	if err != nil {
		return pic, err
	}
	pic.Lanes = append(pic.Lanes, causes...)
	endpoints, err := s.endpointLane()
	if err != nil {
		return pic, err
	}
	if endpoints != nil {
		pic.Lanes = append(pic.Lanes, *endpoints)
	}
	pic.Lanes = append(pic.Lanes, s.beside...)
	podLanes, more, err := s.lanes("pod", pods, maxPodLanes, lookAt)
	if err != nil {
		return pic, err
	}
	pic.MorePods = more
	nodeLanes, more, err := s.lanes("node", nodes, maxNodeLanes, lookAt)
	pic.MoreNodes = more
	pic.Lanes = append(append(pic.Lanes, podLanes...), nodeLanes...)
	return pic, err
}

// courseLane is the verdicts on a subject.
func (s *documentBuilder) courseLane(kind, object string, segments []verdict.Segment) Lane {
	l := Lane{Kind: kind, Object: object, Spans: []Stay{}, Gaps: []Window{}}
	for i := range segments {
		g := &segments[i]
		if w := s.clipped(g.From, g.To); g.Gap != "" && w.To.After(w.From) {
			l.Gaps = append(l.Gaps, w)
		}
		l.add(s, Stay{From: g.From, To: g.To, State: string(g.Report.Verdict.State), Seq: g.Seq, Note: report.Clean(g.Report.Headline.ID)})
	}
	return l
}

// past puts what the verdict may have been before the recording in front of its
// lane, and returns where the picture begins. It goes back no longer than the
// recording is, so that what was observed has at least half of the picture.
func (s *documentBuilder) past(l *Lane) time.Time {
	begun := s.window.From
	if s.prelude == nil {
		return begun
	}
	earliest := s.window.From.Add(-s.window.To.Sub(s.window.From))
	var stays []Stay
	for _, g := range s.prelude.Stretches(&s.segments[0]) {
		from := g.From
		if from.Before(earliest) {
			from = earliest
		}
		if from.Before(g.To) {
			stays = append(stays, Stay{From: from.UTC(), To: g.To.UTC(), State: string(g.Report.Verdict.State), Note: "reconstructed"})
			if from.Before(begun) {
				begun = from.UTC()
			}
		}
	}
	l.Spans = append(stays, l.Spans...)
	return begun
}

// clipped cuts a stretch to the window.
func (s *documentBuilder) clipped(from, to time.Time) Window {
	if from.Before(s.window.From) {
		from = s.window.From
	}
	if to.After(s.window.To) {
		to = s.window.To
	}
	return Window{from.UTC(), to.UTC()}
}

// add appends a stay, cut to the window, to the lane; one that says the same as
// the last prolongs that.
func (l *Lane) add(s *documentBuilder, stay Stay) {
	w := s.clipped(stay.From, stay.To)
	if !w.To.After(w.From) {
		return
	}
	stay.From, stay.To = w.From, w.To
	if n := len(l.Spans); n > 0 {
		last := &l.Spans[n-1]
		if last.To.Equal(stay.From) && last.State == stay.State && last.Note == stay.Note && last.Ready == stay.Ready && last.Desired == stay.Desired {
			last.To = stay.To
			return
		}
	}
	l.Spans = append(l.Spans, stay)
}

// columns is how many moments the lane of endpoints is looked at: about one for
// every eight pixels of a wide page.
const columns = 120

// endpointLane is how many endpoints were ready and how many were wanted,
// whenever the slices of the Service changed; nil for other subjects.
func (s *documentBuilder) endpointLane() (*Lane, error) {
	if s.subject.Resource != replay.Services {
		return nil, nil
	}
	at, err := s.sampled()
	if err != nil {
		return nil, err
	}
	l := &Lane{Kind: "endpoints", Object: "Endpoints ready of wanted", Spans: []Stay{}, Gaps: s.deaf(slicesOf)}
	cursor := replay.NewCursor(s.timeline)
	for i, from := range at {
		to := s.window.To
		if i+1 < len(at) {
			to = at[i+1]
		}
		state, err := cursor.SeekTime(from)
		if err != nil {
			return nil, err
		}
		r := analyzer.Diagnose(state, s.subject, analyzer.Options{})
		if err := state.Err(); err != nil {
			return nil, err
		}
		stay := Stay{From: from, To: to, Seq: state.Seq(), Ready: r.Endpoints.Ready, Desired: r.Endpoints.Desired}
		stay.State = fmt.Sprintf("%d of %d", stay.Ready, stay.Desired)
		l.add(s, stay)
	}
	if !slices.ContainsFunc(l.Spans, func(x Stay) bool { return x.Ready+x.Desired > 0 }) {
		return nil, nil
	}
	return l, nil
}

// sampled returns when to count endpoints, in order: where a verdict begins,
// and after what changed the slices, at most once for each column.
func (s *documentBuilder) sampled() ([]time.Time, error) {
	var at []time.Time
	for i := range s.segments {
		at = append(at, s.clipped(s.segments[i].From, s.window.To).From)
	}
	first, err := s.timeline.SeqAt(s.window.From)
	if err != nil {
		return nil, err
	}
	last, err := s.timeline.SeqAt(s.window.To)
	if err != nil {
		return nil, err
	}
	seqs, err := s.timeline.Touched(store.Query{Resource: slicesOf, Namespace: s.subject.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: s.subject.Name}}, first+1, last)
	if err != nil {
		return nil, err
	}
	for _, seq := range seqs {
		t, err := s.timeline.TimeOf(seq)
		if err != nil {
			return nil, err
		}
		at = append(at, t)
	}
	slices.SortFunc(at, time.Time.Compare)
	at = slices.CompactFunc(at, time.Time.Equal)
	column := s.window.To.Sub(s.window.From) / columns
	kept := at[:0]
	for i, t := range at { // the last of each column, as what it led to stays
		if i+1 == len(at) || i == 0 || t.Sub(s.window.From)/max(column, 1) != at[i+1].Sub(s.window.From)/max(column, 1) {
			kept = append(kept, t)
		}
	}
	return kept, nil
}

// deaf returns when nobody was listening to a resource.
func (s *documentBuilder) deaf(resource schema.GroupVersionResource) []Window {
	out := []Window{}
	for _, g := range s.covered.Gaps {
		if slices.Contains(g.Resources, resource.GroupResource().String()) {
			out = append(out, s.clipped(g.From, g.To))
		}
	}
	return out
}

// lanes draws the related objects of a resource over time, those to which most
// happened if there are too many, by name. look says how a version was.
func (s *documentBuilder) lanes(kind string, resource schema.GroupVersionResource, most int, look func(*analyzer.Object) (state, note string)) ([]Lane, int, error) {
	var all []Lane
	gaps := s.deaf(resource)
	last, err := s.timeline.SeqAt(s.window.To)
	if err != nil {
		return nil, 0, err
	}
	for _, ref := range s.related {
		if ref.Resource != resource {
			continue
		}
		l, err := s.lane(kind, ref, last, look)
		if err != nil {
			return nil, 0, err
		}
		if l.Gaps = gaps; len(l.Spans) > 0 {
			all = append(all, l)
		}
	}
	slices.SortStableFunc(all, func(a, b Lane) int {
		return cmp.Or(cmp.Compare(interest(&b), interest(&a)), strings.Compare(a.Object, b.Object))
	})
	more := max(0, len(all)-most)
	all = all[:len(all)-more]
	slices.SortStableFunc(all, func(a, b Lane) int {
		return cmp.Or(a.Spans[0].From.Compare(b.Spans[0].From), strings.Compare(a.Object, b.Object))
	})
	return all, more, nil
}

// interest is how much there is to see in a lane.
func interest(l *Lane) int {
	n := len(l.Spans)
	if n > 1 || l.Spans[0].State != lane.Ready {
		n += 100
	}
	return min(n, 110)
}

func (s *documentBuilder) lane(kind string, ref store.Ref, last store.Seq, look func(*analyzer.Object) (string, string)) (Lane, error) {
	l := Lane{Kind: kind, Object: report.Clean(ref.Name), Spans: []Stay{}}
	seqs, err := s.timeline.History(ref, last)
	if err != nil {
		return l, err
	}
	gone, err := s.timeline.Find(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}, last)
	if err != nil {
		return l, err
	}
	for i, seq := range seqs {
		e, err := s.timeline.Event(seq)
		if err != nil {
			return l, err
		}
		if e.Type == watch.Deleted {
			continue
		}
		to := s.window.To
		if i+1 < len(seqs) {
			if to, err = s.timeline.TimeOf(seqs[i+1]); err != nil {
				return l, err
			}
			if to.Before(s.window.From) {
				continue // not to be seen
			}
		} else if len(gone) == 0 {
			to = e.Time // found to be missing later: nobody knows since when
		}
		state, note := look(analyzer.NewObject(e))
		l.add(s, Stay{From: e.Time, To: to, State: state, Seq: seq, Note: report.Clean(note)})
	}
	return l, nil
}

// lookAt says how a version of a Pod or a Node is.
func lookAt(o *analyzer.Object) (state, note string) {
	c := lane.Look(o)
	return c.State, c.Note
}
