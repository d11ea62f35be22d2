package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/postmortem"
	"github.com/svcspy/svcspy/replay/report"
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
	At   int64  `json:"at"`
	Text string `json:"text"`
	By   string `json:"by,omitempty"` // its author, and what is known of its origin
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
	Worst       float64       `json:"worst"` // of Seconds, how long the worst verdict held
	Effect      string        `json:"effect,omitempty"`
	Times       int           `json:"times"`
	What        string        `json:"what"`
	Explained   bool          `json:"explained"`
	Trigger     *drawnDeed    `json:"trigger,omitempty"`
	Recovery    *drawnDeed    `json:"recovery,omitempty"`
	Also        []drawnOutage `json:"also,omitempty"`
	Undo        string        `json:"undo,omitempty"`
	Then        string        `json:"then,omitempty"`
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
	if o.Gaps, err = gapsOf(s.timeline, info); err != nil {
		return nil, err
	}
	marks, err := s.timeline.Marks()
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		o.Marks = append(o.Marks, drawnMark{m.Time.UnixMicro(), report.Clean(m.Text), report.MarkBy(&m, info.SHA256, info.End)})
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
		return cmp.Or(cmp.Compare(boolRank(hurt[a.Key]), boolRank(hurt[b.Key])), replay.CompareNames(a.Key, b.Key))
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

func outageOf(i *report.OutageItem) drawnOutage {
	o := drawnOutage{
		Key: subjectKey(&i.Subject), State: string(i.State), From: i.From.UnixMicro(), To: i.To.UnixMicro(), WorstAt: i.WorstAt.UnixMicro(),
		Over: i.Over, Seconds: i.Seconds, Worst: i.WorstSeconds, Effect: report.Clean(i.Effect), Times: i.Times, What: report.Clean(report.Undated(i.Headline.Message)), Explained: i.Explained,
		Next: i.Next, Undo: i.Undo, Then: i.Then, HeadlineID: i.Headline.ID, HeadlineKey: subjectKey(&i.Headline.Subject),
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
	return &drawnDeed{c.ObservedAt.UnixMicro(), c.Seq, deed(c), report.Who(c), string(c.Link)}
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

// gapsOf returns when something was not being listened to.
func gapsOf(t replay.Timeline, info store.Info) ([]gapSpan, error) {
	known, err := postmortem.CompletenessIn(t, postmortem.Window{From: info.Start, To: info.End})
	if err != nil {
		return nil, err
	}
	all := []gapSpan{}
	for _, g := range known.Gaps[:min(len(known.Gaps), mostGaps)] {
		from := max(g.From.UnixMicro(), info.Start.UnixMicro())
		if to := g.To.UnixMicro(); to > from {
			all = append(all, gapSpan{From: from, To: to, Reason: report.Clean(g.Reason), Resources: g.Resources})
		}
	}
	return all, nil
}

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
