package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/svcspy/svcspy/recorder/alert"
	"github.com/svcspy/svcspy/store"
)

const (
	// mostAlerts is how many alerts fire or wait for a segment at a time; more are
	// refused, and their senders try again.
	mostAlerts = 500
	// mostFinished is how many alerts that ended are known again when they are sent
	// once more.
	mostFinished = 1000
	// mostMarks is how many marks of alerts one segment gets.
	mostMarks = 100
	// longAgo is how late an alert may be sent and still be a mark where it began:
	// nobody looks for marks of an outage in a segment of another day.
	longAgo = 2 * time.Hour
	// forgotten is after how long an alert that nobody repeats no longer fires:
	// senders repeat what fires every few hours.
	forgotten = 24 * time.Hour
)

// heldAlert is an alert that fires, or whose marks are in no segment yet.
type heldAlert struct {
	alert.Alert
	Received  time.Time `json:"received"`
	Marked    bool      `json:"marked,omitempty"`    // a segment has the mark of its beginning
	EndMarked bool      `json:"endMarked,omitempty"` // and of its end
	seen      time.Time // when it was sent last
}

func (h *heldAlert) waits() bool { return !h.Marked || !h.End.IsZero() && !h.EndMarked }

// inbox has the alerts that an Agent was told about. Its file outlives the Agent:
// what was taken is in a segment sooner or later.
type inbox struct {
	path string
	now  func() time.Time

	mu       sync.Mutex
	held     []heldAlert
	finished []string // keys, oldest first
}

// inboxFile is the form of the file.
type inboxFile struct {
	Alerts   []heldAlert `json:"alerts"`
	Finished []string    `json:"finished"`
}

// openInbox reads the file of an earlier run. A file that cannot be read is set aside
// with a warning: alerts must not keep a recorder from recording.
func openInbox(path string, now func() time.Time, warn func(format string, args ...any)) (*inbox, error) {
	b := &inbox{path: path, now: now}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	var is inboxFile
	if err := json.Unmarshal(data, &is); err != nil {
		warn("the alerts of an earlier run cannot be read, and are set aside: %v", err)
		return b, os.Rename(path, path+".damaged")
	}
	b.held, b.finished = is.Alerts, is.Finished
	for i := range b.held {
		b.held[i].seen = now()
	}
	return b, nil
}

// errFull is returned for alerts that do not fit.
var errFull = fmt.Errorf("%d alerts fire or wait already", mostAlerts)

// take takes alerts, and returns how many were not known, or ended now. When it returns
// without an error they outlive a crash. An error of errFull says that some were not
// taken; those that were are not taken twice when all are sent again.
func (b *inbox) take(alerts []alert.Alert) (fresh int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	before := slices.Clone(b.held)
	for i := range alerts {
		a := alerts[i]
		if slices.Contains(b.finished, a.Key()) {
			continue
		}
		at := b.find(&a)
		switch {
		case at >= 0:
			b.held[at].seen = now
			if b.held[at].End.IsZero() && !a.End.IsZero() {
				b.held[at].End = a.End
				fresh++
			}
		case len(b.held) >= mostAlerts:
			err = errFull
		default:
			b.held = append(b.held, heldAlert{Alert: a, Received: now.UTC(), seen: now})
			fresh++
		}
	}
	if fresh > 0 {
		if saved := b.save(); saved != nil {
			b.held = before
			return 0, saved
		}
	}
	return fresh, err
}

// find returns where an alert is held, -1 if it is not. The end of an incident that
// was opened again has another start than that.
func (b *inbox) find(a *alert.Alert) int {
	if at := slices.IndexFunc(b.held, func(h heldAlert) bool { return h.Key() == a.Key() }); at >= 0 || a.End.IsZero() {
		return at
	}
	return slices.IndexFunc(b.held, func(h heldAlert) bool { return h.Fingerprint == a.Fingerprint && h.End.IsZero() })
}

// alertBatch is what a segment gets of the inbox.
type alertBatch struct {
	marks   []store.Mark
	firing  []alert.Alert // or not told yet
	marked  []string      // keys of those whose beginning has a mark now
	ended   []string      // and whose end has one
	waiting bool          // more wait
}

// batch returns what the next segment gets: the marks that no segment has, and all
// alerts that fire. A mark is about the moment at which the alert began, if that is
// between since, from when on there are segments, and end, and not long ago; else about
// the moment at which it was received.
func (b *inbox) batch(since, end time.Time) alertBatch {
	b.mu.Lock()
	defer b.mu.Unlock()
	var is alertBatch
	mark := func(h *heldAlert, at time.Time, text string) bool {
		if len(is.marks) == mostMarks {
			is.waiting = true
			return false
		}
		if at.Before(since) || h.Received.Sub(at) > longAgo {
			at = h.Received
		}
		if at.After(end) {
			at = end
		}
		is.marks = append(is.marks, store.Mark{Time: at.UTC().Truncate(time.Microsecond), Written: h.Received.Truncate(time.Millisecond), Author: h.Source, Text: text})
		return true
	}
	for i := range b.held {
		h := &b.held[i]
		is.firing = append(is.firing, h.Alert)
		if !h.Marked && mark(h, h.Start, h.Words()) {
			is.marked = append(is.marked, h.Key())
		}
		if !h.End.IsZero() && !h.EndMarked && mark(h, h.End, h.EndWords()) {
			is.ended = append(is.ended, h.Key())
		}
	}
	return is
}

// done says that a segment has what batch returned.
func (b *inbox) done(is alertBatch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	var held []heldAlert
	changed := len(is.marked)+len(is.ended) > 0
	for _, h := range b.held {
		h.Marked = h.Marked || slices.Contains(is.marked, h.Key())
		h.EndMarked = h.EndMarked || slices.Contains(is.ended, h.Key())
		if !h.waits() && (!h.End.IsZero() || now.Sub(h.seen) > forgotten) {
			b.finished = append(b.finished, h.Key())
			changed = true
			continue
		}
		held = append(held, h)
	}
	b.held = held
	b.finished = b.finished[max(0, len(b.finished)-mostFinished):]
	if !changed {
		return nil
	}
	return b.save()
}

// waits reports whether there is a mark that no segment has.
func (b *inbox) waits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.held, func(h heldAlert) bool { return h.waits() })
}

func (b *inbox) save() error {
	data, err := json.Marshal(inboxFile{b.held, b.finished})
	if err != nil {
		return err
	}
	return replaceFile(b.path, append(data, '\n'))
}
