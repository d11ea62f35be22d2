package recorder

import (
	"context"
	"io"
	"net/url"
	"time"

	"github.com/svcspy/svcspy/store"
)

// response is a body that may not be silent for longer than
// limit. Only the time spent waiting for the server counts, not that in which
// the recorder is busy.
type response struct {
	limit  time.Duration
	body   io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stop   func() bool      // listening to the pulse
	heard  time.Time        // when the server said something last
	proof  func() time.Time // when the server answered anybody last

	calm  time.Duration // after which quiet fires
	quiet *time.Timer   // may be nil
}

// whenQuiet calls f, maybe more than once and from another goroutine, when the
// server had nothing to say for that long.
func (a *response) whenQuiet(calm time.Duration, f func()) {
	a.calm, a.quiet = calm, time.AfterFunc(calm, f)
}

// get asks for the stream's collection. The answer must be closed.
func (s *stream) get(ctx context.Context, query url.Values) (*response, error) {
	return s.getAs(ctx, "application/json", query)
}

// getAs is get of what a client accepts.
func (s *stream) getAs(ctx context.Context, accept string, query url.Values) (*response, error) {
	a := &response{limit: s.limits.answer, proof: s.pulse.lastAnswer}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	a.timer = time.AfterFunc(a.limit, func() { a.cancel(silence(0)) })
	a.stop = s.pulse.whileAlive(func(err error) { a.cancel(err) })
	got, err := s.api.getAs(a.ctx, s.scope.path(), accept, query)
	a.timer.Stop()
	if err != nil {
		err = a.cause(err)
		a.stop()
		a.cancel(nil)
		return nil, err
	}
	a.body, a.heard = got.Body, time.Now()
	return a, nil
}

func (a *response) Read(p []byte) (int, error) {
	a.timer.Reset(a.limit)
	if a.quiet != nil {
		a.quiet.Reset(a.calm)
		defer a.quiet.Stop()
	}
	n, err := a.body.Read(p)
	a.timer.Stop()
	if n > 0 {
		a.heard = time.Now()
	}
	if err != nil && err != io.EOF {
		err = a.cause(err)
	}
	return n, err
}

// cause returns the silence that an error is the consequence of, if it is, and
// says of any other how long nothing was heard before: what broke the connection
// may have happened at any time since.
func (a *response) cause(err error) error {
	cause := context.Cause(a.ctx)
	quiet, ok := cause.(silence)
	switch {
	case !ok && a.heard.IsZero():
		return err
	case !ok:
		last := a.heard
		if proof := a.proof(); proof.After(last) {
			last = proof
		}
		return &brokenConnection{err, time.Since(last)}
	case quiet == 0: // our own timer
		return silence(a.limit)
	case a.heard.IsZero():
		return quiet
	default: // the pulse missed an answer, but this one may have gone on
		return min(quiet, silence(time.Since(a.heard)))
	}
}

func (a *response) Close() {
	a.timer.Stop()
	if a.quiet != nil {
		a.quiet.Stop()
	}
	a.stop()
	a.cancel(nil)
	a.body.Close()
}

// brokenConnection is an error that did not come from the API server. When the
// server went away is not known: at any time after it was heard last.
type brokenConnection struct {
	error
	quiet time.Duration
}

func (b *brokenConnection) Unwrap() error { return b.error }

// momentary is how long nothing is heard of a busy server, too.
const momentary = 100 * time.Millisecond

func (b *brokenConnection) Error() string {
	if b.quiet < momentary {
		return b.error.Error()
	}
	return b.error.Error() + "; " + store.NothingHeard(b.quiet)
}
