package web

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

func (s *Server) state(t time.Time) (*replay.State, error) {
	return replay.NewCursorWith(s.timeline, s.cache).SeekTime(t)
}

// diagnosable are the resources that a report can be about.
var diagnosable = []string{"services", "pods", "nodes", "deployments", "replicasets", "statefulsets", "daemonsets", "ingresses", "jobs"}

func (s *Server) answerWhy(ctx context.Context, q *request) (any, error) {
	ref, err := s.object(q.values.Get("o"))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(diagnosable, ref.Resource.Resource) {
		return nil, badRequest("no verdict is made on %s", ref.Resource.Resource)
	}
	return s.why(ctx, ref, q.instant("t", q.info.End))
}

// Bounds of a report as the page shows it.
const mostEndpoints, mostEvidence = 50, 20

func (s *Server) why(ctx context.Context, ref store.Ref, at time.Time) (*report.Envelope, error) {
	state, err := s.state(at)
	if err != nil {
		return nil, err
	}
	r, err := verdict.ReportAt(ctx, state, ref, analyzer.Options{})
	if err != nil {
		return nil, err
	}
	if len(r.Endpoints.Items) > mostEndpoints {
		r.Endpoints.Items = r.Endpoints.Items[:mostEndpoints]
	}
	for _, list := range [][]analyzer.Finding{r.Because, r.Also, r.Symptoms, r.Risks, r.Hints} {
		for i := range list {
			list[i].Evidence = list[i].Evidence[:min(len(list[i].Evidence), mostEvidence)]
		}
	}
	e, err := report.New(state, r)
	return &e, err
}

// objectView is one object at an instant.
type objectView struct {
	Key      string    `json:"o"`
	Exists   bool      `json:"exists"`
	Seq      store.Seq `json:"seq,omitempty"`
	At       int64     `json:"at,omitempty"` // of the version shown
	YAML     string    `json:"yaml,omitempty"`
	Error    string    `json:"error,omitempty"`
	Versions []line    `json:"versions"` // around the instant
	Events   []line    `json:"events"`   // Kubernetes Events about it, up to the instant, warnings first
	Owners   []string  `json:"owners"`
	Coverage string    `json:"coverage"`
}

// mostVersions is how many versions are listed on either side of an instant.
const mostVersions = 60

func (s *Server) answerObject(_ context.Context, q *request) (any, error) {
	ref, err := s.object(q.values.Get("o"))
	if err != nil {
		return nil, err
	}
	at := q.instant("t", q.info.End)
	state, err := s.state(at)
	if err != nil {
		return nil, err
	}
	v := &objectView{Key: keyOf(ref), Versions: []line{}, Events: []line{}, Owners: []string{}}
	if o := state.Get(ref); o != nil {
		v.Exists, v.Seq, v.At = true, o.Seq, o.Time.UnixMicro()
		if v.YAML, err = manifest(o.Event.Object); err != nil {
			v.Error = report.Clean(err.Error())
		}
		if m, err := change.Metadata(o.Event.Object); err == nil {
			for _, owner := range m.OwnerReferences {
				v.Owners = append(v.Owners, subjectKey(&analyzer.Subject{Kind: owner.Kind, Namespace: ref.Namespace, Name: owner.Name}))
			}
		}
	}
	c := state.Coverage(ref.Resource, ref.Namespace)
	v.Coverage = string(c.Status)
	if c.Reason != "" {
		v.Coverage += ": " + report.Clean(c.Reason)
	}
	versions, events := s.index.about(v.Key, state.Seq())
	v.Versions = s.lines(s.cache, versions)
	v.Events = s.lines(s.cache, events)
	slices.SortStableFunc(v.Events, func(a, b line) int {
		return cmp.Or(cmp.Compare(boolRank(a.Class == classNames[warning]), boolRank(b.Class == classNames[warning])), cmp.Compare(b.Seq, a.Seq))
	})
	return v, state.Err()
}

// about returns the versions of an object around a position, and the Kubernetes
// Events about it up to there.
func (x *eventIndex) about(key string, at store.Seq) (versions, events []entry) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	place, known := x.byKey[key]
	if !known {
		return nil, nil
	}
	later := 0
	for _, p := range x.byRef[place] {
		e := &x.entries[p]
		switch {
		case e.ref == place && e.seq <= at:
			versions = append(versions, *e)
		case e.ref == place && later < mostVersions:
			later++
			versions = append(versions, *e)
		case e.about == place && e.seq <= at:
			events = append(events, *e)
		}
	}
	versions = versions[max(0, len(versions)-later-mostVersions):]
	return versions, events[max(0, len(events)-mostVersions):]
}

func (s *Server) answerChange(_ context.Context, q *request) (any, error) {
	seq := store.Seq(q.number("seq", 0, 0, 1<<60))
	if seq < max(q.info.First, 1) || seq > q.info.Last {
		return nil, notFound("there is no event #%d", seq)
	}
	return s.change(seq)
}

func (s *Server) change(seq store.Seq) (*changeDetail, error) {
	e, err := s.timeline.Event(seq)
	if err != nil {
		return nil, notFound("#%d: %v", seq, err)
	}
	d := &changeDetail{Seq: seq, At: e.Time.UnixMicro(), Key: keyOf(e.Ref()), Fields: []field{}, Text: string(e.Type)}
	if !e.IsObject() {
		return d, nil
	}
	if e.Resource.Resource == "events" {
		g := gistOf(&e)
		d.Verb, d.Message, d.Text = g.Type, report.Clean(g.Message+g.Note), report.Clean(g.Reason)
		return d, nil
	}
	changes, err := change.ListWith(s.timeline, s.cache, e.Ref(), seq-1, seq)
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		d.Text = "only time stamps and versions changed"
		if e.Type == watch.Added {
			d.Text = "known from a list: it existed before"
		}
		return d, nil
	}
	full := detailOf(&changes[len(changes)-1])
	return &full, nil
}

// comparison is what differs between two instants and can matter to a subject.
type comparison struct {
	A     int64            `json:"a"`
	B     int64            `json:"b"`
	Items []comparisonItem `json:"items"`
	More  int              `json:"more,omitempty"`
}

type comparisonItem struct {
	Key    string  `json:"o"`
	Verb   string  `json:"verb"`
	Fields []field `json:"fields"`
	More   int     `json:"more,omitempty"`
	Who    string  `json:"who,omitempty"` // who made the last of the changes
	At     int64   `json:"at,omitempty"`
	Intent bool    `json:"intent"` // somebody, or some tool, wanted it
}

// mostDifferent is how many objects a comparison lists.
const mostDifferent = 100

func (s *Server) answerCompare(_ context.Context, q *request) (any, error) {
	ref, err := s.object(q.values.Get("o"))
	if err != nil {
		return nil, err
	}
	from, to := q.instant("a", q.info.Start), q.instant("b", q.info.End)
	if to.Before(from) {
		from, to = to, from
	}
	a, err := s.state(from)
	if err != nil {
		return nil, err
	}
	b, err := s.state(to)
	if err != nil {
		return nil, err
	}
	all, err := story.Diff(a, b, ref)
	if err != nil {
		return nil, err
	}
	c := &comparison{A: from.UnixMicro(), B: to.UnixMicro(), Items: []comparisonItem{}}
	for i := range all {
		d := &all[i]
		item := comparisonItem{Key: subjectKey(&d.Subject), Verb: string(d.Verb)}
		item.Fields, item.More = fieldsOf(d.Fields)
		for n := range d.Changes {
			w := &d.Changes[n]
			item.Intent = item.Intent || w.Origin == change.Intent
			item.Who, item.At = cmp.Or(report.Who(w), item.Who), w.ObservedAt.UnixMicro()
		}
		c.Items = append(c.Items, item)
	}
	slices.SortStableFunc(c.Items, func(a, b comparisonItem) int {
		return cmp.Or(cmp.Compare(boolRank(a.Intent), boolRank(b.Intent)), cmp.Compare(boolRank(a.Key == keyOf(ref)), boolRank(b.Key == keyOf(ref))))
	})
	c.More = max(0, len(c.Items)-mostDifferent)
	c.Items = c.Items[:len(c.Items)-c.More]
	return c, nil
}

// hit is where a text was found.
type hit struct {
	Line *line     `json:"line,omitempty"`
	To   store.Seq `json:"to"`   // as far as was searched
	More bool      `json:"more"` // there is more to search
}

// mostSearched is how many events one answer searches.
const mostSearched = 20_000

// answerFind looks for a text in what was recorded, from a position on or back.
func (s *Server) answerFind(ctx context.Context, q *request) (any, error) {
	text := bytes.ToLower([]byte(q.values.Get("q")))
	if len(text) == 0 {
		return nil, badRequest("there is nothing to look for")
	}
	at := store.Seq(q.number("from", 0, 0, 1<<60))
	back := q.values.Get("back") != ""
	first, last := max(q.info.First, 1), q.info.Last
	var from, to store.Seq
	if back {
		to = min(at, last)
		from = max(first, to-min(to, mostSearched)+1)
	} else {
		from = max(at, first)
		to = min(last, from+mostSearched-1)
	}
	h := hit{To: to, More: to < last}
	if back {
		h.To, h.More = from, from > first
	}
	var found store.Seq
	for e, err := range s.timeline.Events(from, to) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || !e.IsObject() || e.Resource.Resource == "leases" || !bytes.Contains(bytes.ToLower(e.Object), text) {
			continue
		}
		found = e.Seq
		if !back {
			break
		}
	}
	if found > 0 {
		s.index.mu.RLock()
		i := s.index.placeOf(found)
		var e entry
		if i < len(s.index.entries) && s.index.entries[i].seq == found {
			e = s.index.entries[i]
		}
		s.index.mu.RUnlock()
		if e.seq == found {
			l := s.line(s.cache, &e)
			h.Line = &l
		}
	}
	return h, nil
}

// growth says how far a recording is.
type growth struct {
	Last     store.Seq `json:"last"`
	To       int64     `json:"to"`
	Live     bool      `json:"live"` // it may still grow
	Surveyed store.Seq `json:"surveyed"`
}

// answerWait answers when there is something after a position, or after a while.
func (s *Server) answerWait(ctx context.Context, q *request) (any, error) {
	after := store.Seq(q.number("after", 0, 0, 1<<60))
	waiting, cancel := context.WithTimeout(ctx, waitAtMost)
	defer cancel()
	err := s.timeline.Wait(waiting, after)
	info := s.timeline.Info()
	g := growth{Last: info.Last, To: info.End.UnixMicro(), Live: err == nil || waiting.Err() != nil}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.survey != nil {
		g.Surveyed = s.survey.Last
	}
	return g, nil
}

// waitAtMost is how long the page waits for news in one request.
const waitAtMost = 20 * time.Second
