package tui

import (
	"context"
	"errors"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/store"
)

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
