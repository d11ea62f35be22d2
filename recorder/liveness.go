package recorder

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// liveness asks the API server for its version, again and again. Every answer
// carries its clock. No answer at all means that it hangs, or that the way to it
// is cut although no connection has been closed: then all streams are
// interrupted, because none of them can know.
type liveness struct {
	api     *client
	queue   *queue
	every   time.Duration
	patient time.Duration // how long to wait for an answer
	doubts  chan struct{}

	mu    sync.Mutex
	alive context.Context // until the server stops answering
	lost  context.CancelCauseFunc
	back  chan struct{} // closed when it answers again
	last  time.Time     // when it answered last
}

func newLiveness(api *client, q *queue, l limits) *liveness {
	p := &liveness{api: api, queue: q, every: l.pulse, patient: l.beat, back: make(chan struct{}), doubts: make(chan struct{}, 1)}
	p.alive, p.lost = context.WithCancelCause(context.Background())
	return p
}

// run ends with ctx.
func (p *liveness) run(ctx context.Context) {
	defer p.lost(nil)
	away, hung := false, false
	answered := time.Now()
	for ctx.Err() == nil {
		date, err := p.beat(ctx)
		if err == nil {
			answered = time.Now()
			p.answered(answered)
			p.queue.look(date)
			if away {
				p.returned()
			}
			away, hung = false, false
			p.rest(ctx, p.every)
			continue
		}
		if !hung && errors.Is(err, context.DeadlineExceeded) {
			hung = true
			p.interrupt(time.Since(answered))
		}
		away = true
		sleep(ctx, min(p.every, impatient))
	}
}

// rest waits for the next beat, or until somebody doubts.
func (p *liveness) rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.doubts:
		sleep(ctx, min(p.every, impatient)) // many may doubt, again and again
	case <-ctx.Done():
	}
}

// doubt has the server asked at once, because somebody could not reach it.
func (p *liveness) doubt() {
	select {
	case p.doubts <- struct{}{}:
	default: // it is going to be asked anyway
	}
}

// impatient is how often the server is asked while it does not answer.
const impatient = time.Second

// beat returns the Date of one answer, which may be zero. Any answer will do.
func (p *liveness) beat(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, p.patient)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.api.base.JoinPath("/version").String(), nil)
	if err != nil {
		return time.Time{}, err
	}
	response, err := p.api.http.Do(request)
	if err != nil {
		return time.Time{}, err
	}
	defer response.Body.Close()
	io.Copy(io.Discard, io.LimitReader(response.Body, largestStatus)) // so that the connection is used again
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		date = time.Time{} // not every proxy has one
	}
	return date, nil
}

// interrupt ends what depends on the server's being alive, which did not answer
// for so long, and begins anew.
func (p *liveness) interrupt(quiet time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost(silence(quiet))
	p.alive, p.lost = context.WithCancelCause(context.Background())
}

func (p *liveness) answered(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = at
}

// lastAnswer returns when the server answered last; zero if it never did.
func (p *liveness) lastAnswer() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// returned tells those who wait for it that the server answers again.
func (p *liveness) returned() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.back)
	p.back = make(chan struct{})
}

// whenBack returns a channel that is closed when the server answers again after
// it did not.
func (p *liveness) whenBack() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.back
}

// whileAlive calls f with the silence if the server stops answering; the
// function returned ends that.
func (p *liveness) whileAlive(f func(error)) (stop func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	alive := p.alive
	return context.AfterFunc(alive, func() {
		// That nobody asks any more, as the recorder is being stopped, says
		// nothing about the server.
		if cause := context.Cause(alive); silent(cause) {
			f(cause)
		}
	})
}
