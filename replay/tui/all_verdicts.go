package tui

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

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
