package web

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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

// request is a question of the page.
type request struct {
	values url.Values
	info   store.Info
	err    error
}

// number reads a number between two bounds; what is left out is the default.
func (q *request) number(name string, otherwise, least, most int64) int64 {
	text := q.values.Get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && q.err == nil {
		q.err = badRequest("%s is not a number", name)
	}
	return max(least, min(most, n))
}

// instant reads an instant in the recording.
func (q *request) instant(name string, otherwise time.Time) time.Time {
	return time.UnixMicro(q.number(name, otherwise.UnixMicro(), q.info.Start.UnixMicro(), q.info.End.UnixMicro())).UTC()
}

// window reads two instants.
func (q *request) window() (from, to time.Time) {
	from, to = q.instant("from", q.info.Start), q.instant("to", q.info.End)
	if to.Before(from) && q.err == nil {
		q.err = badRequest("to is before from")
	}
	return from, to
}

// Bounds of questions.
const (
	mostBins  = 2000
	mostLines = 500
	mostWord  = 300 // bytes of a filter
)

func (s *Server) api(w http.ResponseWriter, r *http.Request, name string) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	q := &request{values: r.URL.Query(), info: s.timeline.Info()}
	for _, values := range q.values {
		for _, v := range values {
			if len(v) > mostWord {
				q.err = badRequest("a filter is longer than %d bytes", mostWord)
			}
		}
	}
	if q.err != nil {
		answer(w, nil, q.err)
		return
	}
	handler := map[string]func(context.Context, *request) (any, error){
		"recording": s.recording, "bins": s.answerBins, "log": s.answerLog, "lanes": s.answerLanes,
		"object": s.answerObject, "why": s.answerWhy, "change": s.answerChange,
		"compare": s.answerCompare, "find": s.answerFind, "wait": s.answerWait,
	}[name]
	if handler == nil {
		answer(w, nil, notFound("there is no %q", name))
		return
	}
	value, err := handler(ctx, q)
	if err == nil && q.err != nil {
		err = q.err
	}
	answer(w, value, err)
}

// answerWithin is how long an answer may take.
const answerWithin = 60 * time.Second

// gapSpan is a time in which something was not being listened to.
type gapSpan struct {
	From      int64    `json:"from"`
	To        int64    `json:"to"`
	Resources []string `json:"resources"`
	Reason    string   `json:"reason,omitempty"`
}

// drawnMark is a remark of a person.
type drawnMark struct {
	At     int64  `json:"at"`
	Text   string `json:"text"`
	Author string `json:"author,omitempty"`
}

// drawnOutage is an outage as a card shows it.
type drawnOutage struct {
	Key         string        `json:"o"`
	State       string        `json:"state"`
	From        int64         `json:"from"`
	To          int64         `json:"to"`
	WorstAt     int64         `json:"worstAt"`
	Over        bool          `json:"over"`
	Seconds     float64       `json:"seconds"`
	Times       int           `json:"times"`
	What        string        `json:"what"`
	Explained   bool          `json:"explained"`
	Trigger     *drawnDeed    `json:"trigger,omitempty"`
	Recovery    *drawnDeed    `json:"recovery,omitempty"`
	Also        []drawnOutage `json:"also,omitempty"`
	Undo        string        `json:"undo,omitempty"`
	Next        []string      `json:"next,omitempty"`
	HeadlineID  string        `json:"id,omitempty"`
	HeadlineKey string        `json:"about,omitempty"`
}

// drawnDeed is a change that began or ended an outage.
type drawnDeed struct {
	At   int64     `json:"at"`
	Seq  store.Seq `json:"seq"`
	Text string    `json:"text"`
	Who  string    `json:"who,omitempty"`
	Link string    `json:"link,omitempty"`
}

// drawnService is a Service with its course.
type drawnService struct {
	Key   string      `json:"o"`
	Spans []drawnSpan `json:"spans"`
}

// overview is what the page shows first.
type overview struct {
	File      string           `json:"file"`
	Recording report.Recording `json:"recording"`
	From      int64            `json:"from"`
	To        int64            `json:"to"`
	First     store.Seq        `json:"first"`
	Last      store.Seq        `json:"last"`
	Events    uint64           `json:"events"`
	Zone      string           `json:"zone,omitempty"`
	Gaps      []gapSpan        `json:"gaps"`
	Marks     []drawnMark      `json:"marks"`
	CanMark   bool             `json:"canMark"`
	Who       []string         `json:"who"`
	Spaces    []string         `json:"namespaces"`
	Kinds     []string         `json:"kinds"`
	Indexed   progress         `json:"indexed"`
	// Surveyed says whether Outages and Services are there.
	Surveyed bool           `json:"surveyed"`
	Survey   progress       `json:"survey"`
	Failed   string         `json:"failed,omitempty"`
	Outages  []drawnOutage  `json:"outages"`
	Services []drawnService `json:"services"`
	More     int            `json:"more,omitempty"` // Services that are not listed
	Exported bool           `json:"exported,omitempty"`
	Left     string         `json:"left,omitempty"` // what an exported page leaves out
}

// mostServices is how many Services are listed with their courses, those that were
// hurt first.
const mostServices = 1000

func (s *Server) recording(ctx context.Context, q *request) (any, error) {
	if q.values.Get("wait") != "" { // for the survey
		s.mu.Lock()
		ready, changed := s.survey != nil || s.failed != nil, s.changed
		s.mu.Unlock()
		if !ready {
			patience := time.NewTimer(time.Second)
			defer patience.Stop()
			select {
			case <-changed:
			case <-patience.C:
			case <-ctx.Done():
			}
		}
	}
	return s.overview(q.info)
}

func (s *Server) overview(info store.Info) (*overview, error) {
	o := &overview{
		File: s.options.File, Recording: report.RecordingOf(info), From: info.Start.UnixMicro(), To: info.End.UnixMicro(),
		First: info.First, Last: info.Last, Events: info.Events, Zone: s.options.Zone, Gaps: []gapSpan{}, Marks: []drawnMark{},
		CanMark: s.options.AddMark != nil, Outages: []drawnOutage{}, Services: []drawnService{},
	}
	o.Who, o.Spaces, o.Kinds = s.index.facets()
	var err error
	if o.Gaps, err = gaps(s.timeline, info); err != nil {
		return nil, err
	}
	marks, err := s.timeline.Marks()
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		o.Marks = append(o.Marks, drawnMark{m.Time.UnixMicro(), report.Clean(m.Text), report.Clean(m.Author)})
	}
	slices.SortStableFunc(o.Marks, func(a, b drawnMark) int { return cmp.Compare(a.At, b.At) })
	s.mu.Lock()
	survey, failed := s.survey, s.failed
	o.Indexed, o.Survey = s.indexed, s.surveyed
	s.mu.Unlock()
	if failed != nil {
		o.Failed = report.Clean(failed.Error())
	}
	if survey == nil {
		return o, nil
	}
	o.Surveyed = true
	hurt := map[string]bool{}
	for i := range survey.Outages.Items {
		d := outageOf(&survey.Outages.Items[i])
		o.Outages = append(o.Outages, d)
		hurt[d.Key] = true
		for _, also := range d.Also {
			hurt[also.Key] = true
		}
	}
	for i := range survey.Courses {
		c := &survey.Courses[i]
		spans := segmentSpans(verdict.Settle(c.Segments))
		if len(spans) > mostSpans {
			spans = mergeSpans(spans, o.From, o.To)
		}
		o.Services = append(o.Services, drawnService{keyOf(c.Subject), spans})
	}
	slices.SortStableFunc(o.Services, func(a, b drawnService) int {
		return cmp.Or(cmp.Compare(boolRank(hurt[a.Key]), boolRank(hurt[b.Key])), naturally(a.Key, b.Key))
	})
	if o.More = max(0, len(o.Services)-mostServices); o.More > 0 {
		o.Services = o.Services[:mostServices]
	}
	return o, nil
}

func boolRank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// naturally compares names as people order them: svc-9 before svc-10.
func naturally(a, b string) int {
	for a != "" && b != "" {
		m, n := digits(a), digits(b)
		if m > 0 && n > 0 {
			x, y := strings.TrimLeft(a[:m], "0"), strings.TrimLeft(b[:n], "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
				return c
			}
			a, b = a[m:], b[n:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

func outageOf(i *report.OutageItem) drawnOutage {
	o := drawnOutage{
		Key: subjectKey(&i.Subject), State: string(i.State), From: i.From.UnixMicro(), To: i.To.UnixMicro(), WorstAt: i.WorstAt.UnixMicro(),
		Over: i.Over, Seconds: i.Seconds, Times: i.Times, What: report.Clean(i.Headline.Message), Explained: i.Explained,
		Next: i.Next, Undo: i.Undo, HeadlineID: i.Headline.ID, HeadlineKey: subjectKey(&i.Headline.Subject),
	}
	o.Trigger, o.Recovery = deedOf(i.Trigger), deedOf(i.Recovery)
	for n := range i.Also {
		b := &i.Also[n]
		o.Also = append(o.Also, drawnOutage{Key: subjectKey(&b.Subject), State: string(b.State), From: b.From.UnixMicro(), To: b.To.UnixMicro(), WorstAt: b.From.UnixMicro(), Seconds: b.Seconds, Over: true})
	}
	return o
}

func deedOf(c *change.Change) *drawnDeed {
	if c == nil {
		return nil
	}
	return &drawnDeed{c.ObservedAt.UnixMicro(), c.Seq, deed(c), writerOf(c, ""), string(c.Link)}
}

func subjectKey(a *analyzer.Subject) string {
	if a.Name == "" {
		return ""
	}
	resource := kinds[a.Kind]
	if resource == "" {
		resource = strings.ToLower(a.Kind) + "s"
		if a.Group != "" {
			resource += "." + a.Group
		}
	}
	if a.Namespace == "" {
		return resource + "/" + a.Name
	}
	return resource + "/" + a.Namespace + "/" + a.Name
}

// mostGaps is how many gaps are listed.
const mostGaps = 500

// gaps returns when something was not being listened to, resources with the same
// gap together.
func gaps(t replay.Timeline, info store.Info) ([]gapSpan, error) {
	ledger, err := t.Ledger(0, info.Last)
	if err != nil {
		return nil, err
	}
	type stream struct{ resource, namespace string }
	open := map[stream]store.Coverage{}
	all := []gapSpan{}
	add := func(c store.Coverage, to time.Time) {
		g := gapSpan{From: max(c.Time.UnixMicro(), info.Start.UnixMicro()), To: to.UnixMicro(), Reason: report.Clean(c.Reason)}
		if g.To <= g.From {
			return
		}
		resource := c.Resource.GroupResource().String()
		for i := range all {
			if a := &all[i]; near(a.From, g.From) && near(a.To, g.To) {
				if !slices.Contains(a.Resources, resource) {
					a.Resources = append(a.Resources, resource)
				}
				return
			}
		}
		if len(all) < mostGaps {
			g.Resources = []string{resource}
			all = append(all, g)
		}
	}
	for _, c := range ledger {
		k := stream{c.Resource.GroupResource().String(), c.Namespace}
		if before, is := open[k]; is {
			add(before, c.Time)
			delete(open, k)
		}
		if c.Status == store.Gap && c.Reason != store.Stopped {
			open[k] = c
		}
	}
	for _, c := range open {
		add(c, info.End)
	}
	for i := range all {
		slices.Sort(all[i].Resources)
	}
	slices.SortFunc(all, func(a, b gapSpan) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), slices.Compare(a.Resources, b.Resources))
	})
	return all, nil
}

// near reports whether two instants are so close that one interruption explains
// both.
func near(a, b int64) bool { return max(a, b)-min(a, b) <= 2_000_000 }

// selection reads the filters.
func (s *Server) selection(q *request) *selection {
	from, to := q.window()
	sel := &selection{
		from: from.UnixMicro(), to: to.UnixMicro(), text: strings.ToLower(q.values.Get("q")), namespace: q.values.Get("ns"),
		kind: q.values.Get("kind"), who: q.values.Get("who"), object: q.values.Get("o"),
	}
	if only := q.values.Get("only"); only != "" { // what can matter to a subject
		sel.objects = s.relatedKeys(only, to)
	}
	if text := q.values.Get("classes"); text != "" {
		sel.anyClasses = true
		for name := range strings.SplitSeq(text, ",") {
			if i := slices.Index(classNames[:], name); i >= 0 {
				sel.classes[i] = true
			}
		}
	}
	return sel
}

// relatedKeys names what can matter to a subject; nil is everything.
func (s *Server) relatedKeys(key string, to time.Time) []string {
	ref, err := s.object(key)
	if err != nil {
		return nil
	}
	told, err := s.explain(context.Background(), ref, time.Time{})
	if err != nil {
		return nil
	}
	refs, _, err := s.related(ref, told, to)
	if err != nil {
		return nil
	}
	all := []string{}
	for _, r := range refs {
		all = append(all, keyOf(r))
	}
	return all
}

func (s *Server) answerBins(_ context.Context, q *request) (any, error) {
	return s.index.bins(s.selection(q), int(q.number("n", 300, 1, mostBins))), nil
}

type logPage struct {
	Lines []line `json:"lines"`
	More  bool   `json:"more"`
}

func (s *Server) answerLog(_ context.Context, q *request) (any, error) {
	limit := int(q.number("limit", 100, 1, mostLines))
	before, after := store.Seq(q.number("before", 0, 0, 1<<60)), store.Seq(q.number("after", 0, 0, 1<<60))
	found, more := s.index.page(s.selection(q), before, after, limit)
	return logPage{s.lines(s.cache, found), more}, nil
}

// object reads a key, or an object as people write it.
func (s *Server) object(key string) (store.Ref, error) {
	if ref, known := s.index.ref(key); known {
		return ref, nil
	}
	info := s.timeline.Info()
	resources, err := s.timeline.Resources(info.Last)
	if err != nil {
		return store.Ref{}, err
	}
	ref, err := replay.ParseSubject([]string{key}, "", resources)
	if err != nil {
		return ref, err
	}
	namespaced := false
	for _, r := range resources {
		namespaced = namespaced || r.Name == ref.Resource.Resource && r.Group == ref.Resource.Group && r.Namespaced
	}
	ref, known, err := replay.Locate(s.timeline, ref, namespaced, info.Last)
	if err == nil && !known {
		err = notFound("the recording never saw %s", key)
	}
	return ref, err
}

func (s *Server) answerLanes(ctx context.Context, q *request) (any, error) {
	ref, err := s.object(q.values.Get("o"))
	if err != nil {
		return nil, err
	}
	from, to := q.window()
	return s.lanes(ctx, ref, q.instant("t", q.info.End), from, to)
}

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
			item.Who, item.At = writerOf(w, item.Who), w.ObservedAt.UnixMicro()
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
