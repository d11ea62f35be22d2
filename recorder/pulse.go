package recorder

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// pulse asks the API server for its version, again and again. Every answer
// carries its clock. No answer at all means that it hangs, or that the way to it
// is cut although no connection has been closed: then all streams are
// interrupted, because none of them can know.
type pulse struct {
	api     *client
	queue   *queue
	every   time.Duration
	patient time.Duration // how long to wait for an answer

	mu    sync.Mutex
	alive context.Context // until the server stops to answer
	lost  context.CancelCauseFunc
}

func newPulse(api *client, q *queue, l limits) *pulse {
	p := &pulse{api: api, queue: q, every: l.pulse, patient: l.beat}
	p.alive, p.lost = context.WithCancelCause(context.Background())
	return p
}

// run ends with ctx.
func (p *pulse) run(ctx context.Context) {
	defer p.lost(nil)
	answered := true
	for ctx.Err() == nil {
		date, err := p.beat(ctx)
		switch {
		case err == nil:
			answered = true
			p.queue.look(date)
		case answered && errors.Is(err, context.DeadlineExceeded):
			answered = false
			p.interrupt()
		}
		if !sleep(ctx, p.every) {
			return
		}
	}
}

// beat returns the Date of one answer, which may be zero. Any answer will do.
func (p *pulse) beat(ctx context.Context) (time.Time, error) {
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

// interrupt ends what depends on the server's being alive, and begins anew.
func (p *pulse) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost(errSilent)
	p.alive, p.lost = context.WithCancelCause(context.Background())
}

// whileAlive calls f if the server stops to answer; the function returned ends
// that.
func (p *pulse) whileAlive(f func()) (stop func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return context.AfterFunc(p.alive, f)
}
