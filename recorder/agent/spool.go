package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/replay/when"
)

// spooled is what waits to be stored, oldest first.
type spooled struct {
	mu    sync.Mutex
	all   []segment.Summary
	given bool // the first is being uploaded
}

func (q *spooled) set(all []segment.Summary) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all = all
}

func (q *spooled) add(s segment.Summary) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all = append(q.all, s)
}

// first returns the oldest segment, which stays until done is called.
func (q *spooled) first() (segment.Summary, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.all) == 0 {
		return segment.Summary{}, false
	}
	q.given = true
	return q.all[0], true
}

// done releases the first segment, and drops it if it was stored.
func (q *spooled) done(stored bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.given = false
	if stored {
		q.all = q.all[1:]
	}
}

// size returns how many segments and bytes wait, and since when.
func (q *spooled) size() (n int, bytes int64, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.all {
		bytes += q.all[i].Bytes
	}
	if len(q.all) > 0 {
		since = q.all[0].End
	}
	return len(q.all), bytes, since
}

// excess takes out and returns the oldest segment that makes the spool larger than
// most; the newest stays, and so does the one that is being uploaded.
func (q *spooled) excess(most int64) (segment.Summary, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var bytes int64
	for i := range q.all {
		bytes += q.all[i].Bytes
	}
	oldest := 0
	if q.given {
		oldest = 1
	}
	if bytes <= most || oldest >= len(q.all)-1 {
		return segment.Summary{}, false
	}
	s := q.all[oldest]
	q.all = append(q.all[:oldest:oldest], q.all[oldest+1:]...)
	return s, true
}

// limit drops the oldest segments when the spool is full, and says so in the ledger.
func (a *Agent) limit() {
	for {
		s, is := a.known.excess(a.Spool)
		if !is {
			return
		}
		if err := segment.Remove(a.spool, &s); err != nil {
			a.Warn("drop a segment of the spool: %v", err)
		}
		a.Metric.dropped.Inc()
		a.note("the segment from %s to %s was dropped before it was stored: the bucket takes nothing, and the spool is full", when.Format(s.Start), when.Format(s.End))
	}
}

const (
	shortestRetry = time.Second
	longestRetry  = 2 * time.Minute
)

// upload stores segments, oldest first, until last is closed and none is left, or
// ctx ends.
func (a *Agent) upload(ctx context.Context, last <-chan struct{}) {
	wait := shortestRetry
	for ctx.Err() == nil {
		more, err := a.store(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			a.Warn("%v; it is tried again in about %s", err, wait)
			a.sleep(ctx, last, wait)
			wait = min(2*wait, longestRetry)
		case more:
			wait = shortestRetry
		default:
			select {
			case <-a.stored:
			case <-last:
				return
			case <-ctx.Done():
			}
		}
	}
}

// store stores the oldest segment and removes it from the spool. It returns false if
// none waits.
func (a *Agent) store(ctx context.Context) (bool, error) {
	s, is := a.known.first()
	if !is {
		return false, nil
	}
	defer a.measure()
	err := segment.Upload(ctx, a.Bucket, a.spool, &s)
	a.known.done(err == nil)
	if err != nil {
		a.Metric.uploadFailures.Inc()
		a.limit() // it may be dropped now
		return true, fmt.Errorf("store %s: %w", s.Name().Key(), err)
	}
	a.Metric.uploaded(&s, a.Now())
	a.Say("stored %s: %d events, %s to %s", s.Name().Key(), s.Events, when.Format(s.Start), when.Format(s.End))
	return true, segment.Remove(a.spool, &s)
}

// sleep waits about as long as it is told; when the end has come, not long.
func (a *Agent) sleep(ctx context.Context, last <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d/2 + rand.N(d)) // the agents of a fleet do not come together
	defer timer.Stop()
	select {
	case <-timer.C:
		return
	case <-ctx.Done():
		return
	case <-last:
	}
	short := time.NewTimer(shortestRetry)
	defer short.Stop()
	select {
	case <-short.C:
	case <-ctx.Done():
	}
}

// measure updates what the metrics say of the spool.
func (a *Agent) measure() {
	n, bytes, since := a.known.size()
	a.Metric.spool(n, bytes, since)
}
