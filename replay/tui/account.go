package tui

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// account is the outages of a subject, each with what triggered and what ended it.
type account struct {
	items []report.OutageItem // by time
}

// accountMsg brings an account.
type accountMsg struct {
	subject store.Ref
	account account
	err     error
}

// mostAccounts is how many outages of a subject are explained, the worst first.
const mostAccounts = 6

// recount begins to find out the outages of a Service, unless they are known. In a
// long recording that takes a while: one Service is looked at at a time, and when it
// is known the one that is looked at by then.
func (m *Model) recount(ref store.Ref) tea.Cmd {
	if ref.Name == "" || ref.Resource != replay.Services || m.player.on {
		return nil
	}
	info := m.timeline.Info()
	if _, asked := m.accounts[ref]; asked || !info.Closed || m.recounting {
		return nil
	}
	m.accounts[ref], m.recounting = nil, true // it is being found out
	timeline := m.timeline
	return m.jobs.do(func(ctx context.Context) tea.Msg {
		a, err := accountOf(ctx, timeline, ref, info)
		return accountMsg{ref, a, err}
	})
}

func accountOf(ctx context.Context, t replay.Timeline, ref store.Ref, info store.Info) (account, error) {
	var a account
	segments, err := verdict.Of(ctx, t, ref, info.Start, info.End)
	if err != nil {
		return a, err
	}
	segments = verdict.Settle(segments)
	found := story.Outages(ref, segments)
	for i := range found {
		o := &found[i]
		var told *story.Explanation
		if i < mostAccounts {
			if told, err = o.Explain(ctx, t, segments); err != nil {
				return a, err
			}
		}
		a.items = append(a.items, report.NewOutageItem(o, told))
	}
	return a, nil
}

// recounted takes an account up.
func (m *Model) recounted(msg accountMsg) tea.Cmd {
	m.recounting = false
	switch {
	case errors.Is(msg.err, context.Canceled):
		return nil
	case msg.err != nil:
		m.fail("outages", msg.err)
	default:
		m.accounts[msg.subject] = &msg.account
	}
	return m.survey()
}

// outage is the outage of a subject at the cursor, else the last one before it,
// else the first; nil if none is known.
func (m *Model) outage(ref store.Ref) *report.OutageItem {
	a := m.accounts[ref]
	if a == nil || len(a.items) == 0 {
		return nil
	}
	found := &a.items[0]
	for i := range a.items {
		if !a.items[i].From.After(m.at()) {
			found = &a.items[i]
		}
	}
	return found
}

// trigger is the change that set off the outage at the cursor, nil if none is known.
func (m *Model) trigger() *change.Change {
	ref := m.subject
	if ref.Name == "" {
		if r := m.list.chosen(m.filter, m.chosen); r != nil {
			ref = refOf(r)
		}
	}
	if o := m.outage(ref); o != nil && !m.at().Before(o.From.Add(-act)) {
		return o.Trigger
	}
	return nil
}

// mostHeadline is how many lines the headline takes at most.
const mostHeadline = 3

// summary is what must be seen first: the headline, when the outage was, who set it
// off, and what to do.
func (m *Model) summary(width int) []string {
	var message, id string
	var next []string
	ref := m.subject
	switch {
	case m.inPast() || m.page != nil:
		return nil
	case ref.Name != "" && len(m.text) > 1:
		message, id, next = m.headline(&m.envelope.Report), m.envelope.Headline.ID, m.envelope.Next
	case ref.Name != "" || m.list.state == nil:
		return nil
	default:
		r := m.list.chosen(m.filter, m.chosen)
		if r == nil || r.Verdict.State == analyzer.Absent {
			return nil
		}
		ref, next = refOf(r), r.Next
		message, id = m.headline(r), r.Headline.ID
	}
	lines := wrap([]string{message}, width)
	if len(lines) > mostHeadline {
		lines = lines[:mostHeadline]
		lines[mostHeadline-1] = fit(lines[mostHeadline-1], width-4) + " ..."
	}
	o := m.outage(ref)
	said := func(name, text string) {
		if ansi.StringWidth(text) > width-9 {
			text = ansi.Truncate(text, width-9, "~")
		}
		lines = append(lines, "  "+bold(name)+text)
	}
	if o != nil {
		for _, l := range report.OutageWords(o, m.at(), m.textOptions()) {
			said(l.Name, l.Text)
		}
		if over := m.at().Before(o.From) || m.at().After(o.To); !over && id != o.Headline.ID {
			lines = append(lines, m.worst(o, width-9)...)
		}
		switch over := m.at().After(o.To); {
		case !over && o.Undo != "":
			next = []string{o.Undo}
		case !over && o.Then != "" && len(next) == 0:
			next = []string{o.Then}
		}
	}
	if len(next) > 0 {
		for i, l := range wrap([]string{report.Clean(next[0])}, width-9) {
			lines = append(lines, "  "+map[bool]string{true: bold("NEXT   "), false: "       "}[i == 0]+l)
		}
	}
	if o != nil && !m.live && m.spare(len(lines)) {
		said("NOW    ", report.Clean(report.NowCommand(analyzer.Subject{Kind: "Service", Namespace: ref.Namespace, Name: ref.Name})))
	}
	return lines
}

// worst says what an outage came to, where the cursor shows something else of it.
func (m *Model) worst(o *report.OutageItem, width int) []string {
	text := m.clock(o.WorstAt) + " " + report.Sentence(report.Undated(o.Headline.Message), m.at(), m.textOptions())
	lines := wrap([]string{text}, width)
	if len(lines) > 2 {
		lines = append(lines[:1], fit(lines[1], width-4)+" ...")
	}
	for i := range lines {
		lines[i] = "  " + map[bool]string{true: bold("WORST  "), false: "       "}[i == 0] + strings.TrimLeft(lines[i], " ")
	}
	return lines
}

// headline is that of a report, without the time: the title and the next line have it.
func (m *Model) headline(r *analyzer.Report) string {
	return bold("  " + report.Sentence(report.Undated(r.Headline.Message), m.at(), m.textOptions()))
}

// spare reports whether the screen has room for what need not be said.
func (m *Model) spare(lines int) bool { return m.height >= 24 && lines < 8 }

// told says what a story is about: a verdict on a subject.
type told struct {
	subject store.Ref
	from    time.Time
}

// story is how an outage came about; nil lines while it is being found out.
type explanationText struct {
	lines []string
	err   error
}

// storyMsg brings a story.
type storyMsg struct {
	told
	lines []string
	err   error
}

// tell begins to find out how the outage at the cursor came about, or the last
// one before it.
func (m *Model) tell() tea.Cmd {
	i := m.segment()
	if i < 0 {
		return nil
	}
	segments, at, timeline, options := m.segments(), m.at(), m.timeline, m.textOptions()
	key := told{m.subject, segments[i].From}
	if m.stories[key] != nil {
		return nil
	}
	m.stories[key] = &explanationText{}
	return m.jobs.do(func(ctx context.Context) tea.Msg {
		x, err := story.Explain(ctx, timeline, key.subject, segments, at)
		if err != nil {
			return storyMsg{told: key, err: err}
		}
		lines := printed(func(w io.Writer, o report.Options) error {
			return report.ExplanationText(w, report.NewExplanation(timeline.Info(), x), o)
		}, options)
		return storyMsg{told: key, lines: lines}
	})
}

// storyRows is the story of the outage at the cursor.
func (m *Model) storyRows() []row {
	i := m.segment()
	if i < 0 {
		return []row{{}, {text: faint("the story is told when the verdicts are known")}}
	}
	s := m.stories[told{m.subject, m.segments()[i].From}]
	rows := []row{{}, {text: faint("THE OUTAGE")}}
	switch {
	case s == nil, s.lines == nil && s.err == nil:
		return append(rows, row{text: "  being found out ..."})
	case errors.Is(s.err, story.ErrNoOutage):
		return append(rows, row{text: "  there was none up to here"})
	case s.err != nil:
		return append(rows, row{text: report.Clean(s.err.Error())})
	}
	for _, l := range s.lines {
		rows = append(rows, row{text: "  " + l})
	}
	return rows
}
