package web

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/lane"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// drawnSpan is a stretch of time in which a lane was in one state.
type drawnSpan struct {
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	State string `json:"state"`
	Note  string `json:"note,omitempty"`
	Tone  string `json:"tone"`
	Gap   bool   `json:"gap,omitempty"` // nobody was listening: the state is the last known
}

// marker is something that happened to the object of a lane.
type marker struct {
	At    int64     `json:"at"`
	Seq   store.Seq `json:"seq"`
	Class string    `json:"class"`
	Text  string    `json:"text,omitempty"`
	Who   string    `json:"who,omitempty"`
	N     int       `json:"n,omitempty"` // how many there are so close together that one stands for all
}

// drawnLane is one object over time.
type drawnLane struct {
	Key       string      `json:"o"`
	Kind      string      `json:"kind"`
	Namespace string      `json:"ns,omitempty"`
	Name      string      `json:"name"`
	Group     string      `json:"group"`
	Role      string      `json:"role,omitempty"` // trigger, cause, recovery: its part in the outage
	Spans     []drawnSpan `json:"spans"`
	Markers   []marker    `json:"markers"`
}

// laneList is the lanes of a subject, those of what caused its outage first.
type laneList struct {
	Subject string      `json:"o"`
	From    int64       `json:"from"`
	To      int64       `json:"to"`
	Lanes   []drawnLane `json:"lanes"`
	More    int         `json:"more,omitempty"` // objects without a lane
	// Exact says that nothing was merged: a closer look shows nothing more.
	Exact bool `json:"exact"`
}

// Groups of lanes, in their order on the page.
var groups = []string{"cause", "service", "workloads", "pods", "nodes", "config", "network", "other"}

// Bounds of an answer.
const (
	mostLanes   = 200
	mostSpans   = 400 // of a lane
	mostMarkers = 200 // of a lane
	mostWords   = 40  // markers of a lane that are said in words
)

// course is the verdicts on one subject in full, and the story of its outages.
type course struct {
	segments []verdict.Segment
	last     store.Seq // up to which it was computed
	// stories are what was told of instants; nil of one without an outage.
	stories map[time.Time]*story.Explanation
}

// mostStories is how many stories of a subject are kept.
const mostStories = 32

// courseOf returns the course of a subject up to now. The last few are kept.
func (s *Server) courseOf(ctx context.Context, ref store.Ref) (*course, error) {
	info := s.timeline.Info()
	s.mu.Lock()
	known := s.courses[ref]
	s.mu.Unlock()
	if known != nil && known.last == info.Last {
		return known, nil
	}
	segments, err := verdict.Of(ctx, s.timeline, ref, info.Start, info.End)
	if err != nil {
		return nil, err
	}
	c := &course{verdict.Settle(segments), info.Last, map[time.Time]*story.Explanation{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.courses) >= mostCourses {
		clear(s.courses)
	}
	s.courses[ref] = c
	return c, nil
}

// mostCourses is how many subjects' courses are kept.
const mostCourses = 16

// explain tells the story of the outage of a subject that lasts at an instant, or
// of the last one before it; nil if there was none.
func (s *Server) explain(ctx context.Context, ref store.Ref, at time.Time) (*story.Explanation, error) {
	c, err := s.courseOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	told, known := c.stories[at]
	s.mu.Unlock()
	if known {
		return told, nil
	}
	told, err = story.Explain(ctx, s.timeline, ref, c.segments, at)
	if errors.Is(err, story.ErrNoOutage) {
		told, err = story.Explain(ctx, s.timeline, ref, c.segments, time.Time{})
	}
	if errors.Is(err, story.ErrNoOutage) {
		told, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(c.stories) < mostStories {
		c.stories[at] = told
	}
	return told, nil
}

// lanes draws what can matter to a subject between two instants, as the outage at
// an instant has it.
func (s *Server) lanes(ctx context.Context, subject store.Ref, at, from, to time.Time) (*laneList, error) {
	told, err := s.explain(ctx, subject, at)
	if err != nil {
		return nil, err
	}
	list := &laneList{Subject: keyOf(subject), From: from.UnixMicro(), To: to.UnixMicro(), Lanes: []drawnLane{}, Exact: true}
	refs, roles, err := s.related(subject, told, to)
	if err != nil {
		return nil, err
	}
	list.More = max(0, len(refs)-mostLanes)
	for _, ref := range refs[:len(refs)-list.More] {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		l, err := s.lane(ctx, ref, from, to, &list.Exact)
		if err != nil {
			return nil, err
		}
		if l.Role = roles[ref]; l.Role != "" && l.Role != "recovery" {
			l.Group = "cause"
		} else if ref == subject {
			l.Group = "service"
		}
		if len(l.Spans)+len(l.Markers) > 0 {
			list.Lanes = append(list.Lanes, l)
		}
	}
	first := func(l *drawnLane) int { return cause.BoolRank(l.Key != list.Subject) }
	role := func(l *drawnLane) int { return slices.Index([]string{"trigger", "cause", "recovery", ""}, l.Role) }
	begun := func(l *drawnLane) int64 {
		if len(l.Spans) == 0 {
			return 0
		}
		return l.Spans[0].From
	}
	slices.SortStableFunc(list.Lanes, func(a, b drawnLane) int {
		return cmp.Or(
			cmp.Compare(slices.Index(groups, a.Group), slices.Index(groups, b.Group)),
			cmp.Compare(role(&a), role(&b)), cmp.Compare(first(&a), first(&b)),
			cmp.Compare(kindRank(&a), kindRank(&b)), cmp.Compare(begun(&a), begun(&b)), strings.Compare(a.Key, b.Key),
		)
	})
	return list, nil
}

func kindRank(l *drawnLane) int { return -slices.Index([]string{"replicasets", "deployments"}, l.Kind) }

// related returns what can matter to a subject, what caused its outage first, and
// the parts that objects had in it. Of the Nodes it has those of the Pods.
func (s *Server) related(subject store.Ref, told *story.Explanation, to time.Time) ([]store.Ref, map[store.Ref]string, error) {
	roles := map[store.Ref]string{}
	instants := []time.Time{to}
	var refs []store.Ref
	add := func(ref store.Ref, role string) {
		if ref.Name == "" {
			return
		}
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
		if role != "" && roles[ref] == "" {
			roles[ref] = role
		}
	}
	if told != nil {
		instants = append(instants, told.Worst.From)
		for i := range told.Worst.Changes {
			add(told.Worst.Changes[i].Ref, "trigger")
		}
		s.index.mu.RLock()
		for i := range told.Worst.Later.Because {
			f := &told.Worst.Later.Because[i]
			if ref, known := s.refOf(&f.Subject); known && ref != subject {
				add(ref, "cause")
			}
		}
		s.index.mu.RUnlock()
		if r := told.Recovery; r != nil {
			for i := range r.Changes {
				add(r.Changes[i].Ref, "recovery")
			}
		}
	}
	add(subject, "")
	hosts := map[string]bool{}
	cursor := replay.NewCursorWith(s.timeline, s.cache)
	for _, at := range instants {
		state, err := cursor.SeekTime(at)
		if err != nil {
			return nil, nil, err
		}
		found, err := cause.Related(state, subject)
		if err != nil {
			return nil, nil, err
		}
		for _, ref := range found {
			if ref.Resource.Resource == "events" || ref.Resource.Resource == "namespaces" {
				continue
			}
			add(ref, "")
			if ref.Resource == replay.Pods {
				for o := range state.Past(ref) {
					hosts[analyzer.As[corev1.Pod](o).Spec.NodeName] = true
					break
				}
			}
		}
	}
	return slices.DeleteFunc(refs, func(ref store.Ref) bool {
		return ref.Resource == replay.Nodes && !hosts[ref.Name] && roles[ref] == "" && ref != subject
	}), roles, nil
}

// refOf returns the object that a finding is about. It must be called with the
// index locked.
func (s *Server) refOf(a *analyzer.Subject) (store.Ref, bool) {
	resource := kinds[a.Kind]
	if resource == "" {
		resource = strings.ToLower(a.Kind) + "s"
		if a.Group != "" {
			resource += "." + a.Group
		}
	}
	key := resource + "/" + a.Name
	if a.Namespace != "" {
		key = resource + "/" + a.Namespace + "/" + a.Name
	}
	place, known := s.index.byKey[key]
	if !known {
		return store.Ref{}, false
	}
	return s.index.refs[place], true
}

func groupOf(ref store.Ref) string {
	switch ref.Resource.Resource {
	case "services", "endpointslices", "endpoints":
		return "service"
	case "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs", "replicationcontrollers", "horizontalpodautoscalers", "poddisruptionbudgets":
		return "workloads"
	case "pods":
		return "pods"
	case "nodes":
		return "nodes"
	case "secrets", "configmaps", "serviceaccounts", "resourcequotas", "limitranges", "persistentvolumeclaims", "persistentvolumes", "storageclasses":
		return "config"
	case "ingresses", "networkpolicies", "ingressclasses", "gateways", "httproutes":
		return "network"
	}
	return "other"
}

// lane draws one object; exact is cleared where something was merged.
func (s *Server) lane(ctx context.Context, ref store.Ref, from, to time.Time, exact *bool) (drawnLane, error) {
	l := drawnLane{Key: keyOf(ref), Kind: ref.Resource.Resource, Namespace: ref.Namespace, Name: report.Clean(ref.Name), Group: groupOf(ref), Spans: []drawnSpan{}, Markers: []marker{}}
	var err error
	if ref.Resource == replay.Services {
		err = s.verdictSpans(ctx, &l, ref, from, to)
	} else {
		var spans []lane.Span
		var all bool
		if spans, all, err = lane.Of(s.timeline, ref, from, to); !all {
			*exact = false
		}
		young := 0
		if len(spans) > 0 && spans[0].From.After(from) {
			young = lane.ComingUp(spans)
		}
		for i := range spans {
			x := &spans[i]
			tone := x.Tone()
			if i < young {
				tone = lane.Change
			}
			l.Spans = append(l.Spans, drawnSpan{From: x.From.UnixMicro(), To: x.To.UnixMicro(), State: x.State, Note: report.Clean(x.Note), Tone: tone})
		}
	}
	if err != nil {
		return l, err
	}
	if len(l.Spans) > mostSpans {
		l.Spans, *exact = mergeSpans(l.Spans, from.UnixMicro(), to.UnixMicro()), false
	}
	s.markers(&l, from.UnixMicro(), to.UnixMicro(), exact)
	return l, nil
}

// verdictSpans are the verdicts on a Service.
func (s *Server) verdictSpans(ctx context.Context, l *drawnLane, ref store.Ref, from, to time.Time) error {
	c, err := s.courseOf(ctx, ref)
	if err != nil {
		return err
	}
	l.Spans = append(l.Spans, clip(segmentSpans(c.segments), from.UnixMicro(), to.UnixMicro())...)
	return nil
}

// segmentSpans are verdicts as a lane has them.
func segmentSpans(segments []verdict.Segment) []drawnSpan {
	spans := make([]drawnSpan, 0, len(segments))
	for i := range segments {
		g := &segments[i]
		state := string(g.Report.Verdict.State)
		span := drawnSpan{From: g.From.UnixMicro(), To: g.To.UnixMicro(), State: state, Note: g.Report.Headline.ID, Tone: lane.Tone(state), Gap: g.Gap != ""}
		if g.Report.Verdict.State == analyzer.Absent && i == 0 {
			span.Tone = lane.Unknown // it does not exist yet: that is no outage
		}
		spans = append(spans, span)
	}
	return spans
}

func clip(spans []drawnSpan, from, to int64) []drawnSpan {
	var kept []drawnSpan
	for _, x := range spans {
		x.From, x.To = max(x.From, from), min(x.To, to)
		if x.From < x.To {
			kept = append(kept, x)
		}
	}
	return kept
}

// tones are worst first: of merged spans the worst is shown.
var tones = []string{lane.Bad, lane.Poor, lane.Unknown, lane.Change, lane.Good, lane.Plain}

// mergeSpans merges spans that are too short to be seen into one that is as bad as
// the worst of them.
func mergeSpans(spans []drawnSpan, from, to int64) []drawnSpan {
	part := max((to-from)/mostSpans*2, 1)
	var out []drawnSpan
	for _, x := range spans {
		n := len(out)
		if n == 0 || x.To-x.From >= part || out[n-1].To-out[n-1].From >= part {
			out = append(out, x)
			continue
		}
		last := &out[n-1]
		last.To = x.To
		if slices.Index(tones, x.Tone) < slices.Index(tones, last.Tone) {
			last.Tone, last.State = x.Tone, x.State
		}
		last.Note = "several short states"
	}
	return out
}

// markers are what happened to the object: all but heartbeats and reports on how
// it is.
func (s *Server) markers(l *drawnLane, from, to int64, exact *bool) {
	x := s.index
	var found []entry
	x.mu.RLock()
	if place, known := x.byKey[l.Key]; known {
		places := x.byRef[place]
		first, _ := slices.BinarySearchFunc(places, from, func(p int32, at int64) int { return compare(x.entries[p].at, at) })
		for _, p := range places[first:] {
			e := &x.entries[p]
			if e.at > to {
				break
			}
			switch e.class {
			case write, created, deleted, warning, derived:
				found = append(found, *e)
			}
		}
	}
	x.mu.RUnlock()
	part := max((to-from)/mostMarkers, 1)
	many := len(found) > mostMarkers
	for i := range found {
		e := &found[i]
		n := len(l.Markers)
		if many && n > 0 && l.Markers[n-1].At/part == e.at/part {
			last := &l.Markers[n-1]
			last.N++
			if e.class < classOf(last.Class) {
				last.Class, last.Seq, last.At, last.Text = classNames[e.class], e.seq, e.at, ""
			}
			continue
		}
		l.Markers = append(l.Markers, marker{At: e.at, Seq: e.seq, Class: classNames[e.class], N: 1})
	}
	*exact = *exact && !many
	said := 0
	for i := range l.Markers {
		m := &l.Markers[i]
		if m.Class == classNames[derived] && len(l.Markers) > mostWords || said == mostWords {
			continue
		}
		said++
		x.mu.RLock()
		e := x.entries[x.placeOf(m.Seq)]
		x.mu.RUnlock()
		told := s.line(s.cache, &e)
		m.Text, m.Who, m.Class = told.Text, told.Who, told.Class
	}
}

func classOf(name string) class {
	return class(max(0, slices.Index(classNames[:], name)))
}
