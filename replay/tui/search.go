package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// hitMsg brings the position where a text was found, 0 if it was not.
type hitMsg struct {
	seq   store.Seq
	what  string // the object, clean
	text  string
	ahead bool
	err   error
}

// toHit looks for the next or previous event that brings the text of the filter:
// the object has it, and had it not in the version before.
func (m *Model) toHit(direction int) tea.Cmd {
	if m.searching {
		m.say("still looking")
		return nil
	}
	m.searching = true
	text, from, timeline := m.filter, m.state.Seq(), m.timeline
	m.say(fmt.Sprintf("looking for %q ...", text))
	return m.jobs.do(func(ctx context.Context) tea.Msg {
		msg := hitMsg{text: text, ahead: direction > 0}
		msg.seq, msg.what, msg.err = seekText(ctx, timeline, text, from, msg.ahead)
		return msg
	})
}

// hit goes to what was found.
func (m *Model) hit(msg hitMsg) tea.Cmd {
	m.searching = false
	switch {
	case errors.Is(msg.err, context.Canceled):
	case msg.err != nil:
		m.fail("search", msg.err)
	case msg.seq == 0:
		m.say(fmt.Sprintf("no event %s this brings %q; esc ends the search", map[bool]string{true: "after", false: "before"}[msg.ahead], msg.text))
	default:
		m.seek(msg.seq)
		if !m.failed {
			m.say(fmt.Sprintf("%q: %s #%d; n next hit, N previous, esc ends", msg.text, msg.what, msg.seq))
		}
		return tea.Batch(m.survey(), m.beginPage())
	}
	return nil
}

// seekText returns the first position after one, or the last before it, at which a
// text comes up in an object, and the object.
func seekText(ctx context.Context, t replay.Timeline, text string, from store.Seq, ahead bool) (store.Seq, string, error) {
	first, last := from+1, t.Info().Last
	if !ahead {
		first, last = 1, max(from, 1)-1
	}
	wanted := bytes.ToLower([]byte(text))
	has := func(e *store.Event) bool { return bytes.Contains(bytes.ToLower(e.Object), wanted) }
	var found store.Seq
	what := ""
	for e, err := range t.Events(first, last) {
		if ctx.Err() != nil {
			return 0, "", ctx.Err()
		}
		if err != nil || !e.IsObject() || !has(&e) {
			continue // `svcspy verify` tells what is unreadable
		}
		before, err := versionBefore(t, e.Ref(), e.Seq)
		if err != nil {
			return 0, "", err
		}
		if before != nil && has(before) {
			continue
		}
		ref := e.Ref()
		found, what = e.Seq, report.Clean(ref.Resource.Resource+"/"+ref.Name)
		if ahead {
			break
		}
	}
	return found, what, nil
}

// versionBefore is the version of an object before a position, nil if there is none.
func versionBefore(t replay.Timeline, ref store.Ref, seq store.Seq) (*store.Event, error) {
	seqs, err := t.History(ref, seq)
	if err != nil {
		return nil, err
	}
	i, _ := slices.BinarySearch(seqs, seq)
	if i == 0 {
		return nil, nil
	}
	e, err := t.Event(seqs[i-1])
	if err != nil || !e.IsObject() {
		return nil, err
	}
	return &e, nil
}
