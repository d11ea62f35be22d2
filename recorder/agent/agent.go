// Package agent is the recorder that always runs: it records a cluster into a ring,
// cuts that into segments, and stores them in a bucket.
//
// An Agent runs four things beside each other: the recorder, which writes the ring;
// the cutter, which cuts a segment every few minutes and when a verdict breaks; the
// spool, which uploads segments and tries again for as long as the bucket does not
// take them; and the watch, which follows the verdicts on Services. A Receiver takes
// alerts, which have a segment cut, too; a Notifier tells others about it. Several
// agents may record one cluster: none leads.
package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// Options say what an Agent does. All but Services, Alerts, Notifier, Say and Warn are needed.
type Options struct {
	Recorder recorder.Options // Sink, Ready and Progress are set by the Agent
	Header   store.Header     // of the ring
	Cluster  string           // name in keys, as segment.ClusterName makes it
	Dir      string           // of the ring and the spool; an Agent has it for itself
	Bucket   bucket.Bucket

	Every  time.Duration // length of a segment
	Soon   time.Duration // the shortest time between two that verdicts ask for
	Spool  int64         // bytes of segments that wait for the bucket
	Grace  time.Duration // how long the last upload may take
	Now    func() time.Time
	Metric *Metrics
	// Services is how many Services are watched and judged; 0 is none.
	Services  int
	Alerts    *Receiver // nil: it takes no alerts
	Notifier  *Notifier // nil: it tells nobody
	Say, Warn func(format string, args ...any)
}

// Agent is an always-on recorder.
type Agent struct {
	Options
	ring, spool string // paths

	session flight.Session
	state   *state
	cause   atomic.Pointer[string] // why a segment is to be cut now
	wake    chan struct{}          // to the cutter: there is a cause
	stored  chan struct{}          // to the spool: there is a segment
	ready   chan struct{}          // closed when the recorder listens
	known   spooled
	notices notices
	inbox   *inbox
}

// New prepares a folder for an Agent. What an Agent that was killed has left there
// becomes its last segment. The error is store.ErrInUse if another one runs there.
func New(ctx context.Context, o Options) (*Agent, error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Warn == nil {
		o.Warn = func(string, ...any) {}
	}
	a := &Agent{
		Options: o, ring: filepath.Join(o.Dir, "ring.db"), spool: filepath.Join(o.Dir, "spool"),
		wake: make(chan struct{}, 1), stored: make(chan struct{}, 1), ready: make(chan struct{}),
	}
	if err := os.MkdirAll(a.spool, 0o700); err != nil {
		return nil, err
	}
	var err error
	if a.state, err = loadState(filepath.Join(o.Dir, "state.json")); err != nil {
		return nil, err
	}
	if a.inbox, err = openInbox(filepath.Join(o.Dir, "alerts.json"), o.Now, a.Warn); err != nil {
		return nil, err
	}
	if a.Notifier != nil {
		a.Notifier.open()
	}
	if err := a.recover(ctx); err != nil {
		return nil, fmt.Errorf("what an earlier run has left in %s: %w", o.Dir, err)
	}
	if a.Alerts != nil {
		a.Alerts.agent.Store(a)
	}
	return a, nil
}

// recover cuts what an earlier run has recorded and not cut, and removes its ring.
func (a *Agent) recover(ctx context.Context) error {
	r, err := store.Open(a.ring)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return a.load()
	case errors.Is(err, store.ErrNotRecording) || errors.Is(err, store.ErrDamaged): // killed before it held anything
		a.Warn("the ring of an earlier run cannot be read, and is set aside: %v", err)
		if err := os.Rename(a.ring, a.ring+".damaged"); err != nil {
			return err
		}
		return a.load()
	case err != nil:
		return err
	}
	if err := a.ended(ctx, r); err != nil {
		return errors.Join(err, r.Close())
	}
	if err := a.load(); err != nil {
		return errors.Join(err, r.Close())
	}
	err = a.cut(ctx, r, restarted)
	if errors.Is(err, segment.ErrNothing) {
		err = nil
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	return os.Remove(a.ring)
}

// ended returns store.ErrInUse if somebody writes the recording.
func (a *Agent) ended(ctx context.Context, r *store.Recording) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if errors.Is(r.Wait(ctx, r.Info().Last), context.Canceled) {
		return fmt.Errorf("another agent runs in %s: %w", a.Dir, store.ErrInUse)
	}
	return nil
}

// load reads the spool.
func (a *Agent) load() error {
	found, err := segment.Local(a.spool)
	if err != nil {
		return err
	}
	for i := range found {
		if s := &found[i]; s.Run == a.state.Chain.Run && s.Last > a.state.Chain.Last { // killed before the state was saved
			a.state.Chain.Last, a.state.Chain.Digest = s.Last, s.SHA256
		}
	}
	a.known.set(found)
	a.measure()
	return nil
}

// Causes of a segment.
const (
	timed     = "Time"
	broken    = "Verdict"
	alerted   = "Alert"
	requested = "Request"
	stopped   = "Stop"
	restarted = "Restart"
)

// Run records until ctx ends, and then cuts and stores the last segment, as far as
// Grace allows. What was not stored waits in the folder for the next run. It returns
// an error only if recording cannot go on.
func (a *Agent) Run(ctx context.Context) error {
	w, err := store.Create(a.ring, a.Header, store.Window(a.window()))
	if err != nil {
		return fmt.Errorf("create the ring: %w", err)
	}
	a.session = flight.Session{Path: a.ring, Writer: w, Now: a.Now, Say: a.Say, Warn: a.Warn, Saver: a.keep}
	o := a.Recorder
	var once sync.Once
	o.Progress = func(p recorder.Progress) {
		a.Metric.progress(p)
		if p.Ready {
			once.Do(func() {
				close(a.ready)
				a.notices.open(a.session.Note)
			})
		}
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	// The spool outlives the recorder, to store the last segment.
	uploading, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var cutting, watching, storing sync.WaitGroup
	if a.Notifier != nil {
		watching.Go(func() { a.Notifier.run(running) })
	}
	cutting.Go(func() { a.cutter(running) })
	watching.Go(func() { a.watch(running) })
	last := make(chan struct{})
	storing.Go(func() { a.upload(uploading, last) })
	err = a.session.Run(running, o)
	stop()
	cutting.Wait()
	watching.Wait()
	err = errors.Join(err, a.finish(uploading))
	timer := time.AfterFunc(a.Grace, abandon)
	defer timer.Stop()
	close(last)
	storing.Wait()
	return err
}

// window is how much the ring holds: a segment that cannot be cut for a while is not
// lost yet.
func (a *Agent) window() time.Duration { return max(3*a.Every, 10*time.Minute) }

// finish seals the ring, cuts what is left, and removes it.
func (a *Agent) finish(ctx context.Context) error {
	if _, err := a.session.Seal(); err != nil {
		return err
	}
	r, err := store.Open(a.ring)
	if err != nil {
		return err
	}
	err = a.cut(ctx, r, stopped)
	if errors.Is(err, segment.ErrNothing) {
		err = nil
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return err // the next run tries again
	}
	return os.Remove(a.ring)
}

// keep answers svcspy keep: it has a segment cut now.
func (a *Agent) keep(why string) (path, remark string) {
	a.ask(requested)
	return a.spool, "a segment is cut now: " + why
}

// ask has the cutter cut a segment at once.
func (a *Agent) ask(cause string) {
	a.cause.CompareAndSwap(nil, &cause)
	select {
	case a.wake <- struct{}{}:
	default:
	}
}
