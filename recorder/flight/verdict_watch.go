package flight

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

// VerdictWatch follows the verdicts of subjects while they are recorded. It
// reads the file that is being written, as any other reader does, so it sees
// what a replay of that instant will show. When the file cannot be read it tries
// again for as long as the recorder runs. All methods may be called
// concurrently.
type VerdictWatch struct {
	until, keepOn []Condition
	subjects      []store.Ref
	references    *References // nil: references are not followed

	ended func(why string)                           // a Condition of until is true
	keep  func(why string)                           // a Condition of keepOn has become true
	lost  func(err error)                            // the verdicts cannot be read; called once until they can
	found func(since time.Time, blind time.Duration) // they can be read again
	now   func() time.Time
	open  func() (liveRecording, error)
	retry time.Duration // the first wait after a failure

	mu       sync.Mutex
	verdicts map[store.Ref]analyzer.Report
	blind    blindness
}

// liveRecording is a recording that grows.
type liveRecording interface {
	replay.Timeline
	io.Closer
}

// blindness is the time in which verdicts could not be read.
type blindness struct {
	since time.Time // zero: they can be read
	times int
	total time.Duration // without the present one
	err   error         // the last reason
}

// NewVerdictWatch returns a watch over the subjects and those of the Conditions,
// which must be resolved. With follow, references that lead out of what is
// recorded are followed.
func NewVerdictWatch(subjects []store.Ref, until, keepOn []Condition, follow bool) *VerdictWatch {
	w := &VerdictWatch{until: until, keepOn: keepOn, retry: shortestRetry}
	w.add(subjects...)
	for _, list := range [][]Condition{until, keepOn} {
		for i := range list {
			w.add(list[i].ref)
		}
	}
	if follow {
		w.references = NewReferences()
	}
	return w
}

func (w *VerdictWatch) add(refs ...store.Ref) {
	for _, ref := range refs {
		if !slices.Contains(w.subjects, ref) {
			w.subjects = append(w.subjects, ref)
		}
	}
}

// Verdict is the present state of a subject; "" before there is one.
type Verdict struct {
	Subject store.Ref
	State   analyzer.State
}

// Verdicts returns the present verdicts, in the order the subjects were named.
func (w *VerdictWatch) Verdicts() []Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []Verdict
	for _, ref := range w.subjects {
		list = append(list, Verdict{ref, w.verdicts[ref].Verdict.State})
	}
	return list
}

const (
	shortestRetry = time.Second
	longestRetry  = 30 * time.Second
	// watchMemory bounds the objects that are held beside the recorder: all Pods
	// of a large Service.
	watchMemory = 64 << 20
	// passing is how many attempts in a row may fail without a word: a ring may
	// have dropped what was just looked at.
	passing = 3
)

// run follows the recording until ctx is done or a Condition of until is true.
func (w *VerdictWatch) run(ctx context.Context) {
	held := make([]bool, len(w.keepOn))
	wait := w.retry
	for ctx.Err() == nil {
		over, seen, err := w.follow(ctx, held)
		if over || ctx.Err() != nil {
			return
		}
		if seen {
			wait = w.retry
		}
		w.fail(err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		wait = min(2*wait, longestRetry)
	}
}

// follow opens the recording and evaluates the Conditions after each commit. It
// returns over when a Condition of until is true, else why it could not go on,
// and whether verdicts were seen.
func (w *VerdictWatch) follow(ctx context.Context, held []bool) (over, seen bool, err error) {
	r, err := w.open()
	if err != nil {
		return false, false, err
	}
	defer r.Close()
	cursor := replay.NewCursor(r)
	cursor.BoundMemory(watchMemory)
	for failures := 0; ctx.Err() == nil; {
		seq, err := w.look(ctx, cursor)
		switch {
		case err == nil:
			failures, seen = 0, true
			w.regain()
			if w.judge(held) {
				return true, true, nil
			}
		case failures == passing:
			return false, seen, err
		default:
			failures++
		}
		tick, cancel := context.WithTimeout(ctx, time.Second) // graces end without an event
		err = r.Wait(tick, seq)
		late := tick.Err() != nil
		cancel()
		if errors.Is(err, io.EOF) {
			err = errors.New("the recording seems to have ended")
		}
		if err != nil && !late {
			return false, seen, err
		}
	}
	return false, seen, ctx.Err()
}

// look diagnoses every subject at the end of the recording and returns the
// position of that.
func (w *VerdictWatch) look(ctx context.Context, cursor *replay.Cursor) (store.Seq, error) {
	s, err := cursor.End()
	if err != nil {
		return 0, err
	}
	now := map[store.Ref]analyzer.Report{}
	for _, ref := range w.subjects {
		view := &View{State: s}
		now[ref] = analyzer.Diagnose(view, ref, analyzer.Options{})
		if w.references != nil {
			w.references.Follow(ctx, view)
		}
	}
	if err := s.Err(); err != nil {
		return s.Seq(), err
	}
	s.Cache().Age()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verdicts = now
	return s.Seq(), nil
}

// fail notes that the verdicts cannot be read, and says so once.
func (w *VerdictWatch) fail(err error) {
	w.mu.Lock()
	first := w.blind.since.IsZero()
	if first {
		w.blind.since, w.blind.times = w.now(), w.blind.times+1
	}
	w.blind.err = err
	w.mu.Unlock()
	if first {
		w.lost(err)
	}
}

// regain notes that the verdicts can be read.
func (w *VerdictWatch) regain() {
	w.mu.Lock()
	since := w.blind.since
	var lasted time.Duration
	if !since.IsZero() {
		lasted = w.now().Sub(since)
		w.blind.total += lasted
		w.blind.since = time.Time{}
	}
	w.mu.Unlock()
	if !since.IsZero() {
		w.found(since, lasted)
	}
}

// err returns why the verdicts cannot be read, nil if they can.
func (w *VerdictWatch) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blind.since.IsZero() {
		return nil
	}
	return fmt.Errorf("follow verdicts: %w", w.blind.err)
}

// judge acts on the Conditions that are true now, and reports whether the
// recording is to end. held says which Conditions of keepOn were true before:
// they count when they become true.
func (w *VerdictWatch) judge(held []bool) bool {
	for i := range w.keepOn {
		c := &w.keepOn[i]
		now := c.Holds(w.state(c))
		if now && !held[i] {
			w.keep(w.why(c))
		}
		held[i] = now
	}
	for i := range w.until {
		if c := &w.until[i]; c.Holds(w.state(c)) {
			w.ended(w.why(c))
			return true
		}
	}
	return false
}

func (w *VerdictWatch) state(c *Condition) analyzer.State { return w.verdicts[c.ref].Verdict.State }

// why says which Condition is true, and what the diagnosis is.
func (w *VerdictWatch) why(c *Condition) string {
	return fmt.Sprintf("%s is %s: %s", SubjectName(c.ref), w.state(c), w.verdicts[c.ref].Headline.Message)
}
