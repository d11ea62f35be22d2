// Package tui shows a timeline on the whole terminal: a scrubber with the
// verdicts on top, the report and the objects below it, and what just changed.
//
// A Model is moved by messages alone and draws itself from what it is: nothing
// in it reads a clock or a terminal. What takes long (verdicts over time, the
// story of an outage, waiting for a recording that grows) is done by its jobs,
// which Run waits for before it returns. No key touches a cluster.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Options say what is shown first, and how to reach what a screen cannot know.
type Options struct {
	// At is the state to begin with. It is required.
	At *replay.State
	// Subject is what to look at; without a name, all Services are listed.
	Subject store.Ref

	Zone  *time.Location // nil is UTC
	ASCII bool           // for terminals without UTF-8
	Plain bool           // no colours, whatever the terminal can
	Speed float64        // to play at; 0 is 1
	// Guided adds a line that says what could be pressed next.
	Guided bool
	// Now is the clock of the viewer, for "today" in times; nil is none.
	Now func() time.Time

	Marks  []store.Mark
	Author string // of the marks that are made here
	// AddMark keeps a mark in the recording. If it is nil or fails, the mark
	// lasts as long as the screen, which says so.
	AddMark func(store.Mark) error
	// Command returns the command line that shows the subject at an instant;
	// the subject has no name while all Services are listed.
	Command func(subject store.Ref, at time.Time) string
	// Save writes a text under a name that is not taken and returns where to.
	Save func(name string, text []byte) (string, error)
	File string // the recording's name, for the commands in what is saved

	// In, Out and Environ are the terminal; nil are those of the process.
	In      io.Reader
	Out     io.Writer
	Environ []string
}

// Run shows the timeline until the viewer quits or ctx is done.
func Run(ctx context.Context, o Options) error {
	m, err := New(ctx, o)
	if err != nil {
		return err
	}
	defer m.Close()
	options := []tea.ProgramOption{tea.WithContext(ctx)}
	if o.In != nil {
		options = append(options, tea.WithInput(o.In))
	}
	if o.Out != nil {
		options = append(options, tea.WithOutput(o.Out))
	}
	if o.Environ != nil {
		options = append(options, tea.WithEnvironment(o.Environ))
	}
	if o.Plain {
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	_, err = tea.NewProgram(m, options...).Run()
	if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil // leaving by a signal is leaving
	}
	return err
}

// Opening is where a recording is best looked at first: where the recorder had
// listed everything for the first time, or the end while it is being written.
func Opening(t replay.Timeline) (*replay.State, error) {
	cursor := replay.NewCursor(t)
	info := t.Info()
	if info.Last == 0 {
		return nil, fmt.Errorf("the recording is empty: nothing was heard before it ended at %s", when.Format(info.End))
	}
	if !info.Closed {
		return cursor.End()
	}
	ledger, err := t.Ledger(0, info.Last)
	if err != nil {
		return nil, err
	}
	// Streams begin one after the other; one that begins late, since its kind
	// came late, is not waited for.
	missing := map[moment.Stream]bool{}
	for _, c := range ledger {
		if c.Time.Sub(info.Start) < moment.Begin {
			missing[moment.Stream{Resource: c.Resource, Namespace: c.Namespace}] = true
		}
	}
	for _, c := range ledger {
		if c.Status != store.Listing {
			delete(missing, moment.Stream{Resource: c.Resource, Namespace: c.Namespace})
		}
		if len(missing) == 0 {
			return cursor.Seek(c.Seq)
		}
	}
	return cursor.First()
}
