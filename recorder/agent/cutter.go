package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/store"
)

// state is what an Agent remembers in its folder.
type state struct {
	path  string
	Chain segment.Chain `json:"chain"`
	Since time.Time     `json:"since,omitzero"` // when the first run of the folder began
}

func loadState(path string) (*state, error) {
	s := &state{path: path}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// save replaces the file.
func (s *state) save() error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replaceFile(s.path, append(data, '\n'))
}

// replaceFile writes a file that is there whole, as it was or as it is to be.
func replaceFile(path string, data []byte) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(part, path)
}

const (
	// cutAttempts is how often a segment is cut from a ring that is written
	// meanwhile: the ring may have dropped what was just looked at.
	cutAttempts = 5
	// cutRetry is how long after that it is tried again.
	cutRetry = 10 * time.Second
)

// cutter cuts a segment each time one is due, until ctx ends. After an error it
// tries again: nothing is lost while the ring has it.
func (a *Agent) cutter(ctx context.Context) {
	due := time.NewTimer(a.Every)
	defer due.Stop()
	var last time.Time
	for {
		cause := timed
		select {
		case <-ctx.Done():
			return
		case <-due.C:
		case <-a.wake:
			if last.IsZero() { // a segment without a list is of no use
				select {
				case <-a.ready:
				case <-ctx.Done():
					return
				}
			}
			if wait := a.Soon - a.Now().Sub(last); wait > 0 && !last.IsZero() {
				due.Reset(min(wait, a.Every)) // what else breaks until then is in that segment too
				continue
			}
		}
		if asked := a.cause.Swap(nil); asked != nil {
			cause = *asked
		}
		next := a.Every
		err := a.cutLive(ctx, cause)
		switch {
		case err == nil || ctx.Err() != nil:
		case !errors.Is(err, segment.ErrNothing):
			a.Metric.cutFailures.Inc()
			a.Warn("no segment could be cut: %v; it is tried again in %s", err, cutRetry)
			next = min(cutRetry, a.Every)
		case a.inbox.waits(): // nothing has happened since, but the alert has to go somewhere
			a.cause.CompareAndSwap(nil, &cause)
			next = min(cutRetry, a.Every)
		}
		last = a.Now()
		due.Reset(next)
	}
}

// cutLive cuts a segment from the ring that is being written.
func (a *Agent) cutLive(ctx context.Context, cause string) (err error) {
	for range cutAttempts {
		var r *store.Recording
		if r, err = store.Open(a.ring); err != nil {
			continue
		}
		err = errors.Join(a.cut(ctx, r, cause), r.Close())
		if err == nil || errors.Is(err, segment.ErrNothing) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// cut cuts what is new in the ring, and hands it to the spool.
func (a *Agent) cut(ctx context.Context, r *store.Recording, cause string) error {
	info := r.Info()
	if a.state.Since.IsZero() {
		a.state.Since = info.Began()
	}
	batch := a.inbox.batch(a.state.Since, info.End)
	s, chain, err := segment.Cut(ctx, r, segment.Order{Dir: a.spool, Cluster: a.Cluster, Cause: cause, After: a.state.Chain, Services: a.Services, Alerts: segment.Alerts{Marks: batch.marks, All: batch.firing}})
	if err != nil {
		return err
	}
	a.state.Chain = chain
	// Without this the next run finds it in the spool. It is saved before the segment
	// can leave the spool: else it would be cut again, with another end.
	err = errors.Join(a.state.save(), a.inbox.done(batch))
	if s.Missing > 0 {
		a.note("%d positions before #%d are in no segment: they could not be cut before the ring dropped them", s.Missing, s.First)
	}
	a.Metric.cut(&s)
	a.known.add(s)
	a.limit()
	a.measure()
	select {
	case a.stored <- struct{}{}:
	default:
	}
	if a.Notifier != nil && (cause == broken || cause == alerted) {
		a.Notifier.segment(&s)
	}
	if batch.waiting {
		a.ask(alerted)
	}
	return err
}

// note writes into the ledger and warns.
func (a *Agent) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	a.notices.add(text)
	a.Warn("%s", text)
}

// notices are what is to stand in the ledger. They wait until the recorder listens.
type notices struct {
	mu      sync.Mutex
	write   func(text string)
	waiting []string
}

func (n *notices) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.write != nil {
		n.write(text)
		return
	}
	n.waiting = append(n.waiting, text)
}

func (n *notices) open(write func(text string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.write = write
	for _, text := range n.waiting {
		write(text)
	}
	n.waiting = nil
}
