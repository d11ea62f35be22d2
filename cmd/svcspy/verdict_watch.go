package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// lookout follows the verdicts of subjects while they are recorded. It reads
// the file that is being written, as any other reader does, so it sees what a
// replay of that moment will show, and needs memory only for what it looks at.
type lookout struct {
	subjects []store.Ref
	until    []condition
	keepOn   []condition
	pursuit  *pursuit // nil: references are not followed

	ended func(why string) // a condition of until is true
	keep  func(why string) // a condition of keepOn has become true

	mu       sync.Mutex
	verdicts map[store.Ref]analyzer.Report
}

// add has the lookout follow a subject too.
func (l *lookout) add(ref store.Ref) {
	if !slices.Contains(l.subjects, ref) {
		l.subjects = append(l.subjects, ref)
	}
}

// sighting is a subject with its present verdict; "" before there is one.
type sighting struct {
	subject store.Ref
	state   analyzer.State
}

// sightings returns the present verdicts, in the order the subjects were named.
func (l *lookout) sightings() []sighting {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []sighting
	for _, ref := range l.subjects {
		list = append(list, sighting{ref, l.verdicts[ref].Verdict.State})
	}
	return list
}

// run follows the recording at path until ctx is done or the recording ends.
func (l *lookout) run(ctx context.Context, path string) error {
	r, err := store.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	cursor := replay.NewCursor(r)
	held := make([]bool, len(l.keepOn))
	for failures := 0; ctx.Err() == nil; {
		seq, err := l.look(ctx, cursor)
		switch {
		case err == nil:
			failures = 0
			if l.judge(held) {
				return nil
			}
		case failures == 3:
			return fmt.Errorf("follow verdicts: %w", err)
		default:
			failures++ // a ring may have dropped what was just looked at
		}
		tick, cancel := context.WithTimeout(ctx, time.Second) // graces end without an event
		err = r.Wait(tick, seq)
		cancel()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && tick.Err() == nil {
			return fmt.Errorf("follow verdicts: %w", err)
		}
	}
	return nil
}

// look diagnoses every subject at the end of the recording and returns the
// position of that.
func (l *lookout) look(ctx context.Context, cursor *replay.Cursor) (store.Seq, error) {
	s, err := cursor.End()
	if err != nil {
		return 0, err
	}
	now := map[store.Ref]analyzer.Report{}
	for _, ref := range l.subjects {
		view := &asking{State: s}
		now[ref] = analyzer.Diagnose(view, ref, analyzer.Options{})
		if l.pursuit != nil {
			l.pursuit.pursue(ctx, view)
		}
	}
	if err := s.Err(); err != nil {
		return s.Seq(), err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.verdicts = now
	return s.Seq(), nil
}

// judge acts on the conditions that are true now, and reports whether the
// recording is to end. held says which conditions to keep on were true before:
// they count when they become true.
func (l *lookout) judge(held []bool) bool {
	for i := range l.keepOn {
		c := &l.keepOn[i]
		now := c.holds(l.state(c))
		if now && !held[i] {
			l.keep(l.why(c))
		}
		held[i] = now
	}
	for i := range l.until {
		if c := &l.until[i]; c.holds(l.state(c)) {
			l.ended(l.why(c))
			return true
		}
	}
	return false
}

func (l *lookout) state(c *condition) analyzer.State { return l.verdicts[c.ref].Verdict.State }

// why says which condition is true, and what is the matter.
func (l *lookout) why(c *condition) string {
	return fmt.Sprintf("%s is %s: %s", subjectName(c.ref), l.state(c), l.verdicts[c.ref].Headline.Message)
}
