package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// errUnsealed is returned when record was interrupted twice.
var errUnsealed = fmt.Errorf("%w before the recording was sealed", errInterrupted)

// taping is a recording while it is made.
type taping struct {
	*recordOptions
	path     string
	w        *store.Writer
	flight   *flight  // nil without --ring
	lookout  *lookout // nil if no verdict is followed
	signals  *signals
	requests chan os.Signal // to keep
	progress *progress
}

// run records until ctx ends, or a condition does, and seals.
func (t *taping) run(ctx context.Context, options recorder.Options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tell, show := t.progress.teller()
	options.Sink, options.Progress = t.w, tell
	if t.flight != nil {
		options.Sink = t.flight
	}
	ready := make(chan struct{})
	options.Ready = func() {
		t.progress.say("listening")
		close(ready)
	}
	var beside sync.WaitGroup
	var followed, answered error
	if l := t.lookout; l != nil {
		t.progress.sightings = l.sightings
		if l.pursuit != nil {
			options.Follow = l.pursuit.targets
		}
		l.keep = t.flight.keepIfRoom // which there is, if something is to be kept on
		l.ended = func(why string) {
			t.progress.say("stopping: %s", report.Clean(why))
			stop()
		}
		beside.Go(func() {
			select {
			case <-ready:
				if followed = l.run(ctx, t.path); followed != nil {
					t.progress.warn("%s; recording goes on", report.Clean(followed.Error()))
				}
			case <-ctx.Done():
			}
		})
	}
	beside.Go(func() { show(ctx) })
	beside.Go(func() { keepOnSignals(ctx, t.requests, func() { t.keep("SIGUSR1") }) })
	beside.Go(func() {
		if answered = answerRequests(ctx, t.path, t.reply); answered != nil {
			t.progress.warn("%s; `svcspy keep` and `svcspy mark` do not work any more, SIGUSR1 does", report.Clean(answered.Error()))
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- recorder.Run(ctx, options) }()
	var err error
	select {
	case err = <-ended:
	case <-t.signals.second:
		// Whatever it waits for, a disk that hangs say: it ends as after a kill.
		return errUnsealed
	}
	stop()
	rest := make(chan struct{})
	go func() {
		beside.Wait()
		t.progress.end()
		close(rest)
	}()
	select {
	case <-rest:
		return errors.Join(t.end(err), followed, answered)
	case <-t.signals.second: // a terminal that is held, say
		return errUnsealed
	}
}

// reply does what another process asks for.
func (t *taping) reply(q request) answer {
	switch {
	case q.Verb == verbKeep:
		path, remark := t.keep("asked for by svcspy keep")
		return answer{Path: path, Remark: remark}
	case q.Verb == verbMark && q.Mark != nil:
		if q.Mark.Time.IsZero() {
			q.Mark.Time = t.now().UTC().Truncate(time.Microsecond)
		}
		err := checkMark(*q.Mark)
		if err == nil {
			err = t.w.Mark(*q.Mark)
		}
		if err != nil {
			return answer{Error: err.Error()}
		}
		t.progress.say("marked %s: %s", replay.FormatInstant(q.Mark.Time), report.Clean(q.Mark.Text))
		return answer{Time: q.Mark.Time}
	}
	return answer{Error: "this recorder does not know what that asks for"}
}

// keep has the flight recorder keep its window, and returns where and a remark.
func (t *taping) keep(why string) (path, remark string) {
	kept, until := t.path, time.Time{}
	remark = "it is no flight recorder: everything is kept"
	if t.flight != nil {
		kept, until = t.flight.keep(why)
		remark = keptRemark(until)
	} else {
		t.progress.say("everything is kept, as there is no --ring: %s", report.Clean(why))
	}
	if absolute, err := filepath.Abs(kept); err == nil {
		kept = absolute
	}
	return kept, remark
}

// end seals what was recorded, whatever ended it, and says what there is.
func (t *taping) end(err error) error {
	if t.signals.forced() {
		return errors.Join(errUnsealed, t.w.Abort())
	}
	if errors.Is(err, recorder.ErrForbidden) {
		// Nothing was recorded, so there is nothing to keep.
		return errors.Join(fmt.Errorf("record: %w", err), t.w.Abort(), os.Remove(t.path))
	}
	if err != nil {
		err = fmt.Errorf("record: %w", err)
	}
	info, sealErr := t.seal()
	if errors.Is(sealErr, errInterrupted) || err != nil {
		return errors.Join(err, sealErr)
	}
	if sealErr != nil {
		return sealErr
	}
	return t.summary(info)
}

// seal saves what a flight recorder is keeping, and seals; a second interrupt
// ends the program at once, with a file that is valid but not sealed.
func (t *taping) seal() (store.Info, error) {
	type sealed struct {
		info store.Info
		err  error
	}
	done := make(chan sealed, 1)
	go func() {
		var kept error
		if t.flight != nil {
			kept = t.flight.finish()
		}
		info, err := t.w.Seal(t.now())
		if err != nil {
			err = fmt.Errorf("seal: %w", err)
		}
		done <- sealed{info, errors.Join(err, kept)}
	}()
	select {
	case s := <-done:
		return s.info, s.err
	case <-t.signals.second:
		return store.Info{}, errUnsealed
	}
}

func (t *taping) summary(info store.Info) error {
	if t.flight != nil && t.flight.unkept > 0 {
		t.warn("a condition became true %d more times than is kept, as --keep-max is %d", t.flight.unkept, t.flight.most)
	}
	if t.output != "text" {
		return t.info(t.path)
	}
	size := int64(0)
	if st, err := os.Stat(t.path); err == nil {
		size = st.Size()
	}
	_, err := fmt.Fprintf(t.out, "%s\n  from %s to %s (%s)\n  %d events, %s\n  sha256 %s\n",
		report.Clean(t.path), replay.FormatInstant(info.Start), replay.FormatInstant(info.End), report.Duration(info.End.Sub(info.Start)),
		info.Events, report.Bytes(size), info.SHA256)
	return err
}
