package postmortem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Options say what a postmortem is about and for whom.
type Options struct {
	File     string    // name of the recording's file, for the commands in the document
	Subject  store.Ref // the zero value asks for whatever was hurt most
	Since    time.Time // zero: the start of the recording
	Until    time.Time // zero: its end
	Zone     *time.Location
	Template string                // one of Templates; "" is plain
	Progress func(done, total int) // while all Services are looked at; may be nil
}

// Bounds of a document, so that its length does not depend on the size of the
// cluster or of the recording.
const (
	maxExplained    = 4 // outages whose causes are looked for, the worst first
	maxRows         = 300
	maxInstants     = 40
	maxHurt         = 50
	maxServiceLanes = 12
	maxPodLanes     = 16
	maxNodeLanes    = 8
	maxListed       = 20 // endpoints of a report
	maxEvidence     = 8  // of a finding
)

// story is what a document is made of.
type documentBuilder struct {
	Options
	timeline replay.Timeline
	info     store.Info
	window   Window
	subject  store.Ref
	about    analyzer.Subject
	segments []verdict.Segment  // settled; the first may begin before the window, the last ends in it
	outage   *story.Explanation // the worst; nil: there was none
	group    *story.Outage      // the worst, with those that follow it quickly
	others   []*story.Explanation
	prelude  *story.Prelude  // what is known of it from before the recording; nil: it began later
	changes  []change.Change // what was meant to be changed, of all that can matter
	related  []store.Ref
	beside   []Lane       // of other Services that were hurt
	marks    []store.Mark // in the window, by time
	covered  Completeness
}

// Build makes the document of a timeline. It reads as much as its answers
// need, and ends with the error of ctx when that is done.
func Build(ctx context.Context, t replay.Timeline, o Options) (*Postmortem, error) {
	if _, err := templateOf(o.Template); err != nil {
		return nil, err
	}
	s := &documentBuilder{Options: o, timeline: t, info: t.Info(), subject: o.Subject}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	if s.info.Last == 0 {
		return nil, errors.New("the recording is empty")
	}
	s.window = Window{From: s.info.Start.UTC(), To: s.info.End.UTC()}
	if !o.Since.IsZero() {
		s.window.From = o.Since.UTC()
	}
	if !o.Until.IsZero() {
		s.window.To = o.Until.UTC()
	}
	var err error
	if s.covered, err = CompletenessIn(t, s.window); err != nil {
		return nil, err
	}
	if s.marks, err = marksIn(t, s.window); err != nil {
		return nil, err
	}
	p := s.document()
	if s.subject.Name == "" {
		if err := s.survey(ctx, p); err != nil {
			return nil, err
		}
	}
	if s.subject.Name == "" {
		s.finish(p)
		return p, nil
	}
	if err := s.investigate(ctx); err != nil {
		return nil, err
	}
	if err := s.tell(ctx, p); err != nil {
		return nil, err
	}
	s.finish(p)
	return p, nil
}

// document is the part that needs no subject.
func (s *documentBuilder) document() *Postmortem {
	template := s.Template
	if template == "" {
		template = plain
	}
	return &Postmortem{
		APIVersion: report.APIVersion, Kind: "Postmortem", Recording: report.RecordingOf(s.info),
		File: fileName(s.File), Recorder: s.info.Recorder, Template: template, Zone: s.Zone.String(),
		Window: s.window, Completeness: s.covered,
		Summary: []string{}, Hero: []Fact{}, KeyTimes: []KeyTime{}, Durations: []Span{}, Rows: []Row{}, Chain: []Link{}, Factors: []Link{},
		Instants: []Instant{}, Hurt: []Hurt{}, Commands: []Command{},
		Picture: Picture{Window: s.window, Lanes: []Lane{}, Marks: []Mark{}, Deeds: []Deed{}},
	}
}

// marksIn returns the marks about a window, by time.
func marksIn(t replay.Timeline, w Window) ([]store.Mark, error) {
	marks, err := t.Marks()
	if err != nil {
		return nil, fmt.Errorf("read the marks: %w", err)
	}
	marks = slices.DeleteFunc(marks, func(m store.Mark) bool { return m.Time.Before(w.From) || m.Time.After(w.To) })
	slices.SortStableFunc(marks, func(a, b store.Mark) int { return a.Time.Compare(b.Time) })
	return marks, nil
}

// investigate finds out what happened to the subject.
func (s *documentBuilder) investigate(ctx context.Context) error {
	segments, err := verdict.Of(ctx, s.timeline, s.subject, s.info.Start, s.info.End)
	if err != nil {
		return err
	}
	s.segments = within(verdict.Dated(verdict.Settle(segments), s.info.Start), s.window)
	if err = s.worstOutage(ctx); err != nil {
		return err
	}
	if s.others, err = s.otherOutages(ctx); err != nil {
		return err
	}
	s.about = s.segments[len(s.segments)-1].Report.Subject
	if s.beginsIn() {
		if s.prelude, err = story.PreludeTo(s.timeline, s.subject, s.segments); err != nil {
			return err
		}
	}
	last, err := s.timeline.SeqAt(s.window.To)
	if err != nil {
		return err
	}
	if err := s.relate(); err != nil {
		return err
	}
	first, err := s.timeline.SeqAt(s.window.From)
	if err != nil {
		return err
	}
	for _, ref := range s.related {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ref.Resource.Resource == "events" {
			continue
		}
		changes, err := change.List(s.timeline, ref, first, last)
		if err != nil {
			return err
		}
		for i := range changes {
			if changes[i].Origin == change.Intent {
				s.changes = append(s.changes, changes[i])
			}
		}
	}
	return nil
}

// within returns the segments that are at least partly in a window. The first
// keeps its beginning; the last ends in the window.
func within(all []verdict.Segment, w Window) []verdict.Segment {
	kept := slices.Clone(all)
	kept = slices.DeleteFunc(kept, func(g verdict.Segment) bool { return g.From.After(w.To) || g.To.Before(w.From) })
	if n := len(kept); n > 0 && kept[n-1].To.After(w.To) {
		kept[n-1].To = w.To
	}
	return kept
}

// worstOutage finds and explains the worst outage in the window, of several that
// follow each other quickly the worst of them. That a Service which did not exist yet
// was absent, or how it came up, is one only if there is no other.
func (s *documentBuilder) worstOutage(ctx context.Context) error {
	if all := story.Outages(s.subject, s.segments); len(all) > 0 {
		worst := slices.MinFunc(all, func(a, b story.Outage) int { return story.CompareOutages(&a, &b) })
		told, err := worst.Explain(ctx, s.timeline, s.segments)
		if err != nil {
			return err
		}
		if told != nil {
			s.outage, s.group = told, &worst
			return nil
		}
	}
	for _, segments := range [][]verdict.Segment{s.segments[s.begun():], s.segments} {
		if len(segments) == 0 {
			continue
		}
		told, err := story.Explain(ctx, s.timeline, s.subject, segments, time.Time{})
		if errors.Is(err, story.ErrNoOutage) {
			continue
		}
		if err != nil {
			return err
		}
		from, to := told.Course[0].From, told.Course[len(told.Course)-1].To
		s.outage = told
		s.group = &story.Outage{Subject: s.subject, From: from, To: to, Down: to.Sub(from), AtWorst: to.Sub(from), Times: 1, Open: told.Recovery == nil, Worst: told.Worst.Segment}
		return nil
	}
	return nil
}

// course is the segments of the outage from its beginning to its end, and of several
// that are one also those between them; before is what preceded them, nil for nothing.
func (s *documentBuilder) course() (before *verdict.Segment, in []verdict.Segment) {
	for i := range s.segments {
		switch g := &s.segments[i]; {
		case g.From.Before(s.group.From):
			before = g
		case g.From.Before(s.group.To):
			in = append(in, *g)
		}
	}
	return before, in
}

// beginsIn reports whether the recording begins in the outage.
func (s *documentBuilder) beginsIn() bool {
	if s.outage == nil || s.window.From.After(s.info.Start) {
		return false
	}
	before, _ := s.course()
	return before == nil
}

// otherOutages explains the next worst outages in the window, in order.
func (s *documentBuilder) otherOutages(ctx context.Context) ([]*story.Explanation, error) {
	if s.outage == nil {
		return nil, nil
	}
	var worst []verdict.Segment // of each other stretch that hurt
	from, to := s.outage.Course[0].From, s.outage.Course[len(s.outage.Course)-1].To
	was := false
	for _, g := range s.segments[s.begun():] {
		hurts := impact(g.Report.Verdict.State)
		if hurts == 0 || !g.From.Before(from) && g.From.Before(to) {
			was = false
			continue
		}
		if n := len(worst); !was {
			worst = append(worst, g)
		} else if hurts > impact(worst[n-1].Report.Verdict.State) {
			worst[n-1] = g
		}
		was = true
	}
	slices.SortStableFunc(worst, func(a, b verdict.Segment) int {
		return cmp.Or(impact(b.Report.Verdict.State)-impact(a.Report.Verdict.State), cmp.Compare(b.To.Sub(b.From), a.To.Sub(a.From)))
	})
	worst = worst[:min(len(worst), maxExplained-1)]
	slices.SortFunc(worst, func(a, b verdict.Segment) int { return a.From.Compare(b.From) })
	found := make([]*story.Explanation, len(worst))
	errs := make([]error, len(worst))
	var all sync.WaitGroup
	for i := range worst {
		all.Go(func() { found[i], errs[i] = story.Explain(ctx, s.timeline, s.subject, s.segments, worst[i].From) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, story.ErrNoOutage) {
			return nil, err
		}
	}
	return slices.DeleteFunc(found, func(e *story.Explanation) bool { return e == nil }), nil
}

// begun is the first segment in which the subject had come up, or existed if it
// never did: that it was absent before is no outage.
func (s *documentBuilder) begun() int {
	if s.segments[0].Report.Verdict.State != analyzer.Absent {
		return 0
	}
	if up := slices.IndexFunc(s.segments, func(g verdict.Segment) bool { return verdict.Healthy(g.Report.Verdict.State) }); up >= 0 {
		return up
	}
	return max(0, slices.IndexFunc(s.segments, func(g verdict.Segment) bool { return g.Report.Verdict.State != analyzer.Absent }))
}

// impact says how much users are hurt in a state, 0 if not, or not knowably.
func impact(state analyzer.State) int {
	switch state {
	case analyzer.Absent, analyzer.NotServing:
		return 3
	case analyzer.PartiallyServing:
		return 2
	case analyzer.Degraded:
		return 1
	}
	return 0
}

// tell fills the document in.
func (s *documentBuilder) tell(ctx context.Context, p *Postmortem) error {
	p.Subject = s.about
	p.KeyTimes, p.Durations = s.keyTimes()
	p.Rows, p.MoreRows = s.rows()
	p.Chain, p.Factors = s.chain()
	p.Instants, p.MoreInstants = s.instants()
	p.Title, p.Summary = s.summary(p)
	var err error
	p.Hero = s.hero(p)
	if p.Picture, err = s.picture(ctx); err != nil {
		return err
	}
	p.LastWords, err = s.lastWords()
	return err
}

// maxLastWords is of how many containers the document has the last words.
const maxLastWords = 4

// lastWords returns what had been said by the end of the worst verdict.
func (s *documentBuilder) lastWords() ([]report.LastWords, error) {
	if s.outage == nil {
		return nil, nil
	}
	worst := s.outage.Worst
	state, err := replay.NewCursor(s.timeline).SeekTime(worst.To.Add(-1))
	if err != nil {
		return nil, err
	}
	all := report.LastWordsOf(state, &worst.Report)
	return all[:min(len(all), maxLastWords)], state.Err()
}

// finish adds what sums the document up.
func (s *documentBuilder) finish(p *Postmortem) {
	if p.Title == "" {
		p.Title = "No Service was hurt"
		p.Summary = []string{fmt.Sprintf("All %s were serving from %s to %s, as far as the recording tells.", phrase.Quantity(p.Services, "Service"), clock(p.Window.From), clock(p.Window.To))}
		if !p.Completeness.Complete {
			p.Summary = append(p.Summary, "It has "+p.Completeness.Line+".")
		}
	}
	p.Commands = s.commands(p)
	p.Redacted = redacted(p, s.info.Redacted)
}

// summary says in a few sentences what happened.
func (s *documentBuilder) summary(p *Postmortem) (title string, lines []string) {
	name := named(s.about)
	if s.outage == nil {
		return name + " had no outage", append([]string{fmt.Sprintf("%s was not hurt between %s and %s, as far as the recording tells.", name, clock(p.Window.From), clock(p.Window.To))}, s.limits()...)
	}
	x := s.outage
	worst := x.Worst.Report.Verdict.State
	g := s.group
	until, long := "until "+clock(g.To), lasting(g.To.Sub(g.From))
	if g.Open {
		until = "until the end of what was looked at, " + clock(g.To)
	}
	if g.Times > 1 {
		long = report.HowLong(g.Times, g.AtWorst, g.Down)
	}
	title = fmt.Sprintf("%s was %s %s", name, worst, report.HowLong(g.Times, g.AtWorst, g.Down))
	lines = append(lines,
		fmt.Sprintf("%s was not well from %s %s (%s); at worst it was %s, with %s.", name, clock(g.From), until, long, worst, endpoints(&x.Worst.Later)),
		fmt.Sprintf("The report at that time: %s", report.Clean(report.Undated(x.Worst.Later.Headline.Message))),
	)
	if f := s.forerunner(); f != nil {
		lines = append(lines, fmt.Sprintf("Trigger candidate, reconstructed from what objects still carried when the recording began: at %s, %s (%s).", clock(f.Time), report.Clean(f.String()), f.Link))
	} else if c := x.Trigger(); c != nil {
		lines = append(lines, fmt.Sprintf("Trigger candidate: at %s, %s (%s).", clock(c.ObservedAt), deed(c), c.Link))
	} else {
		lines = append(lines, "No recorded change explains it.")
	}
	if r, c := x.Recovery, x.End(); c != nil {
		lines = append(lines, fmt.Sprintf("It became %s at %s, after %s.", r.Report.Verdict.State, clock(r.From), deed(c)))
	} else if r != nil {
		lines = append(lines, fmt.Sprintf("It became %s at %s; no recorded change explains that.", r.Report.Verdict.State, clock(r.From)))
	}
	if n, dark := s.outages(); n > g.Times {
		lines = append(lines, fmt.Sprintf("It is the worst of %s in this window; in all of them together nothing was served for %s.", phrase.Quantity(n, "outage"), lasting(dark)))
	}
	return title, append(lines, s.limits()...)
}

// outages counts the outages in the window, and says how long nothing was served.
func (s *documentBuilder) outages() (n int, dark time.Duration) {
	for _, o := range story.Outages(s.subject, s.segments) {
		n += o.Times
	}
	for _, g := range s.segments[s.begun():] {
		if impact(g.Report.Verdict.State) == 3 {
			dark += g.To.Sub(g.From)
		}
	}
	return n, dark
}

// endpoints counts what was there of what was wanted.
func endpoints(r *analyzer.Report) string {
	noun := "Pod"
	switch r.Subject.Kind {
	case "Service":
		noun = "endpoint"
	case "Ingress":
		noun = "backend"
	}
	e := &r.Endpoints
	switch {
	case e.Desired == 0 && e.Ready == 0:
		return "no " + noun
	case e.Desired == 0:
		return phrase.Quantity(e.Ready, "ready "+noun)
	case e.Ready > e.Desired:
		return phrase.ReadyOf(e.Ready, e.Desired)
	}
	return fmt.Sprintf("%d of %s ready", e.Ready, phrase.Quantity(e.Desired, noun))
}

// forerunner is the fact from before the recording that explains the outage
// best; nil if the outage began later, or nothing does.
func (s *documentBuilder) forerunner() *past.Fact {
	if s.prelude == nil {
		return nil
	}
	var best *past.Fact
	for i := range s.prelude.Facts {
		if f := &s.prelude.Facts[i]; f.Link != "" && (best == nil || best.Link == change.Correlated && f.Link != change.Correlated) {
			best = f
		}
	}
	return best
}

// limits says what weakens every statement.
func (s *documentBuilder) limits() []string {
	if s.covered.Complete {
		return nil
	}
	return []string{"The recording has " + s.covered.Line + "."}
}

// instants returns the reports of the segments in the window. If there are too
// many, those that hurt most are kept.
func (s *documentBuilder) instants() ([]Instant, int) {
	all := slices.Clone(s.segments)
	more := max(0, len(all)-maxInstants)
	if more > 0 {
		slices.SortStableFunc(all, func(a, b verdict.Segment) int {
			return impact(b.Report.Verdict.State) - impact(a.Report.Verdict.State)
		})
		all = all[:maxInstants]
		slices.SortStableFunc(all, func(a, b verdict.Segment) int { return a.From.Compare(b.From) })
	}
	out := make([]Instant, 0, len(all))
	for i := range all {
		out = append(out, Instant{From: all[i].From.UTC(), To: all[i].To.UTC(), Shown: all[i].Shown.UTC(), Seq: all[i].Seq, Event: all[i].Event, Gap: all[i].Gap, Report: shortened(all[i].Report)})
	}
	return out, more
}

// shortened cuts the lists of a report to what a page shows.
func shortened(r analyzer.Report) analyzer.Report {
	if len(r.Endpoints.Items) > maxListed {
		r.Endpoints.Items = r.Endpoints.Items[:maxListed]
	}
	for _, list := range []*[]analyzer.Finding{&r.Because, &r.Also, &r.Symptoms, &r.Risks, &r.Hints} {
		*list = slices.Clone(*list)
		for i := range *list {
			if f := &(*list)[i]; len(f.Evidence) > maxEvidence {
				f.Evidence = f.Evidence[:maxEvidence]
			}
		}
	}
	return r
}

// named says an object as people do: Service shop/web.
func named(s analyzer.Subject) string {
	name := s.Name
	if s.Namespace != "" {
		name = s.Namespace + "/" + name
	}
	return report.Clean(strings.TrimSpace(s.Kind + " " + name))
}

// clock is how the document writes a moment: in UTC, to the second.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// lasting says how long something was.
func lasting(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return report.Lasting(d)
}
