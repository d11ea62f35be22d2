package tui

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// course is the verdicts on one subject over the recording, as far as they are
// known.
type course struct {
	follower *verdict.Follower // used by one computation at a time
	log      verdict.SegmentLog
	segments []verdict.Segment // those of log
	spans    []span            // as they are drawn
	until    time.Time         // how far they were computed; zero while they were not
	busy     *hearing          // nil when nobody computes
	err      error
	jumps    []int // where to go once they are known: 1 next, -1 previous
}

// courseMsg brings verdicts.
type courseMsg struct {
	subject  store.Ref
	to       time.Time
	segments []verdict.Segment // they begin where the last ones ended
	looked   []*moment.View    // at what, where each began
	err      error
}

// hearing is a timeline that tells how far it has been read. It is the progress
// of verdicts that are being computed.
type hearing struct {
	replay.Timeline
	from, to time.Time
	reached  atomic.Int64 // nanoseconds after from
}

// SeqAt is what verdicts move on by.
func (h *hearing) SeqAt(t time.Time) (store.Seq, error) {
	h.reached.Store(int64(t.Sub(h.from)))
	return h.Timeline.SeqAt(t)
}

// percent is how much has been read.
func (h *hearing) percent() int {
	length := h.to.Sub(h.from)
	if length <= 0 {
		return 0
	}
	return int(100 * h.reached.Load() / int64(length))
}

// compute begins to compute the verdicts on the subject up to the end, or what
// is missing of them.
func (m *Model) compute() tea.Cmd {
	if m.subject.Name == "" {
		return nil
	}
	c := m.courses[m.subject]
	if c == nil {
		c = &course{follower: verdict.NewFollower(m.subject)}
		m.courses[m.subject] = c
	}
	info := m.timeline.Info()
	if c.busy != nil || c.err != nil || !c.until.Before(info.End) {
		return nil
	}
	from, first := info.Start, c.until.IsZero()
	if !first {
		from = c.until
	}
	h := &hearing{Timeline: m.timeline, from: from, to: info.End}
	c.busy = h
	subject := m.subject
	return tea.Batch(m.beat(), m.jobs.do(func(ctx context.Context) tea.Msg {
		msg := courseMsg{subject: subject, to: info.End}
		msg.segments, msg.err = c.follower.Next(ctx, h, from, info.End)
		if msg.err == nil {
			began := msg.segments
			if !first && len(began) > 0 {
				began = began[1:] // the first goes on from the last portion
			}
			msg.looked, msg.err = lookedAt(ctx, c.follower.Cursor(h.Timeline), subject, began)
		}
		return msg
	}))
}

// maxLooked is at how many verdicts it is found out what matters.
const maxLooked = 64

// lookedAt returns what the analyzer looks at where verdicts begin.
func lookedAt(ctx context.Context, cursor *replay.Cursor, subject store.Ref, segments []verdict.Segment) ([]*moment.View, error) {
	var all []*moment.View
	for _, g := range verdict.Settle(segments) {
		if len(all) == maxLooked || ctx.Err() != nil {
			break
		}
		s, err := cursor.SeekTime(g.From)
		if err != nil {
			return nil, err
		}
		_, w := moment.Diagnose(s, subject)
		all = append(all, w)
	}
	return all, nil
}

// learn takes verdicts up.
func (m *Model) learn(msg courseMsg) tea.Cmd {
	c := m.courses[msg.subject]
	c.busy = nil
	if msg.err != nil {
		c.err = msg.err
		m.fail("verdicts", msg.err)
		return nil
	}
	c.log.Append(msg.segments)
	c.segments = c.log.Segments()
	c.spans = spansOf(c.segments)
	c.until = msg.to
	var cmd tea.Cmd
	if msg.subject == m.subject {
		for _, w := range msg.looked {
			m.mind(w)
		}
		m.around()
		m.date(&m.envelope.Report)
		m.write()
		cmd = m.beginPage()
	}
	if msg.subject == m.subject && len(c.jumps) > 0 {
		m.message = ""
		for _, jump := range c.jumps {
			m.toVerdict(jump)
		}
	}
	c.jumps = nil
	return tea.Batch(cmd, m.compute()) // the recording may have grown meanwhile
}

// segments returns the settled verdicts on the subject, nil while they are not
// known.
func (m *Model) segments() []verdict.Segment {
	if c := m.courses[m.subject]; c != nil {
		return c.segments
	}
	return nil
}

// segment returns the place of the verdict that holds at the cursor, -1 if
// none is known.
func (m *Model) segment() int {
	at := -1
	for i, s := range m.segments() {
		if !s.From.After(m.at()) {
			at = i
		}
	}
	return at
}

// toVerdict moves to the next or previous change of verdict.
func (m *Model) toVerdict(direction int) {
	c := m.courses[m.subject]
	switch {
	case m.subject.Name == "":
		m.toAnyVerdict(direction)
		return
	case c == nil || c.busy != nil && c.until.IsZero():
		if c != nil {
			c.jumps = append(c.jumps, direction)
		}
		m.say("the verdicts are being computed; it will go there as soon as they are known")
		return
	}
	if direction > 0 {
		for i, s := range c.segments {
			if i > 0 && s.From.After(m.at()) {
				m.seekTime(s.From)
				return
			}
		}
		m.say("the verdict does not change after this")
		return
	}
	for i := len(c.segments) - 1; i >= 0; i-- {
		if c.segments[i].From.Before(m.at()) {
			m.seekTime(c.segments[i].From)
			return
		}
	}
	m.say("the verdict does not change before this")
}

// courses are the verdicts on all Services over the recording, as they are
// drawn and jumped between while all are listed.
type courses struct {
	of    map[store.Ref][]span // settled
	all   []span               // of all of them
	logs  map[store.Ref]*verdict.SegmentLog
	until time.Time // how far they were computed; zero while they were not
	busy  *share    // nil when nobody computes
	err   error
	jumps []int // where to go once they are known
}

// share is how much of some work is done; it may be asked while it is done.
type share struct{ done, total atomic.Int64 }

func (s *share) percent() int { return int(100 * s.done.Load() / max(s.total.Load(), 1)) }

type coursesMsg struct {
	to  time.Time
	raw map[store.Ref][]verdict.Segment
	err error
}

// behind is how far the verdicts on all Services may be behind the end of a
// recording that grows.
const behind = 5 * time.Second

// computeAll begins to compute the verdicts on all Services up to the end, or
// what is missing of them.
func (m *Model) computeAll() tea.Cmd {
	c, info := &m.all, m.timeline.Info()
	if c.busy != nil || c.err != nil || !c.until.Before(info.End) {
		return nil
	}
	if !info.Closed && !c.until.IsZero() && info.End.Sub(c.until) < behind {
		return nil
	}
	from, busy := info.Start, &share{}
	if !c.until.IsZero() {
		from = c.until
	}
	var there []store.Ref
	for ref, log := range c.logs {
		if last := log.Last(); last != nil && last.Report.Verdict.State != analyzer.Absent {
			there = append(there, ref)
		}
	}
	c.busy = busy
	return tea.Batch(m.beat(), m.jobs.do(func(ctx context.Context) tea.Msg {
		msg := coursesMsg{to: info.End, raw: map[store.Ref][]verdict.Segment{}}
		progress := func(done, total int) {
			busy.total.Store(int64(total))
			busy.done.Store(int64(done))
		}
		for course, err := range verdict.AllAnd(ctx, m.timeline, there, from, info.End, progress) {
			if err != nil {
				msg.err = err
				break
			}
			msg.raw[course.Subject] = course.Segments
		}
		return msg
	}))
}

// learnAll takes verdicts on all Services up.
func (m *Model) learnAll(msg coursesMsg) tea.Cmd {
	c := &m.all
	c.busy = nil
	if msg.err != nil {
		c.err = msg.err
		m.fail("verdicts", msg.err)
		return nil
	}
	if c.logs == nil {
		c.logs = map[store.Ref]*verdict.SegmentLog{}
	}
	for ref, segments := range msg.raw {
		if c.logs[ref] == nil {
			c.logs[ref] = &verdict.SegmentLog{}
		}
		c.logs[ref].Append(segments)
	}
	c.of, c.all, c.until = map[store.Ref][]span{}, nil, msg.to
	for ref, log := range c.logs {
		log.Extend(msg.to) // a Service that was deleted earlier has no new segments
		spans := spansOf(log.Segments())
		c.of[ref] = spans
		c.all = append(c.all, spans...)
	}
	if m.list.state != nil {
		m.arrange(m.chosenService())
	}
	if m.subject.Name == "" && len(c.jumps) > 0 {
		m.message = ""
		for _, jump := range c.jumps {
			m.toAnyVerdict(jump)
		}
	}
	c.jumps = nil
	return m.survey() // the recording may have grown, or the cursor moved
}

// spans are what the scrubber draws: the verdicts on the subject, or on all
// Services, the worst on top.
func (m *Model) spans() []span {
	if m.subject.Name == "" {
		return m.all.all
	}
	if c := m.courses[m.subject]; c != nil {
		return c.spans
	}
	return nil
}

func fullName(r store.Ref) string { return r.Namespace + "/" + r.Name }

// toAnyVerdict moves to the next or previous change of a verdict on any Service,
// and chooses that Service. That one appears or is gone is a change too, but not
// that the recording begins with it.
func (m *Model) toAnyVerdict(direction int) {
	c := &m.all
	if c.until.IsZero() {
		c.jumps = append(c.jumps, direction)
		m.say("the verdicts are being computed; it will go there as soon as they are known")
		return
	}
	var to time.Time
	var which store.Ref
	for ref, spans := range c.of {
		for i := range spans {
			t := spans[i].from
			if i == 0 || direction > 0 && !t.After(m.at()) || direction < 0 && !t.Before(m.at()) {
				continue
			}
			nearer := direction > 0 && t.Before(to) || direction < 0 && t.After(to)
			if to.IsZero() || nearer || t.Equal(to) && fullName(ref) < fullName(which) {
				to, which = t, ref
			}
		}
	}
	if to.IsZero() {
		m.say(fmt.Sprintf("no verdict changes %s this", map[bool]string{true: "after", false: "before"}[direction > 0]))
		return
	}
	m.seekTime(to)
	m.wanted = which
}
