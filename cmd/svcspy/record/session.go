package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// session is a flight.Session with its terminal and signals.
type session struct {
	*options
	flight.Session
	signals  *cli.Signals
	requests chan os.Signal // to keep
	progress *progress
}

// run records until ctx ends, or a condition does, and seals.
func (r *session) run(ctx context.Context, options recorder.Options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tell, show := r.progress.teller()
	options.Progress = tell
	if r.Watch != nil {
		r.progress.verdicts = r.Watch.Verdicts
	}
	var beside sync.WaitGroup
	beside.Go(func() { show(ctx) })
	beside.Go(func() { cli.KeepOnSignals(ctx, r.requests, func() { r.Keep("SIGUSR1") }) })
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, options) }()
	var err error
	select {
	case err = <-ended:
	case <-r.signals.Second:
		// Whatever it waits for, a disk that hangs say: it ends as after a kill.
		return cli.ErrUnsealed
	}
	stop()
	rest := make(chan struct{})
	go func() {
		beside.Wait()
		r.progress.end()
		close(rest)
	}()
	select {
	case <-rest:
		return errors.Join(r.end(err), r.Err())
	case <-r.signals.Second: // a terminal that is held, say
		return cli.ErrUnsealed
	}
}

// end seals what was recorded, whatever ended it, and says what there is.
func (r *session) end(err error) error {
	if r.signals.Forced() {
		return errors.Join(cli.ErrUnsealed, r.Writer.Abort())
	}
	if errors.Is(err, recorder.ErrForbidden) {
		// Nothing was recorded, so there is nothing to keep.
		return errors.Join(fmt.Errorf("record: %w", err), r.Writer.Abort(), os.Remove(r.Path))
	}
	if err != nil {
		err = fmt.Errorf("record: %w", err)
	}
	info, sealErr := r.seal()
	if errors.Is(sealErr, cli.ErrInterrupted) || err != nil {
		return errors.Join(err, sealErr)
	}
	if sealErr != nil {
		return sealErr
	}
	if err := r.summary(info); err != nil {
		return err
	}
	if lapse := r.Lapse(); lapse != "" {
		r.Warn("%s", report.Clean(lapse))
		return cli.ErrGap
	}
	return nil
}

// seal saves what a flight recorder is keeping, and seals; a second interrupt
// ends the program at once, with a file that is valid but not sealed.
func (r *session) seal() (store.Info, error) {
	type outcome struct {
		info store.Info
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		info, err := r.Seal()
		done <- outcome{info, err}
	}()
	select {
	case s := <-done:
		return s.info, s.err
	case <-r.signals.Second:
		return store.Info{}, cli.ErrUnsealed
	}
}

func (r *session) summary(info store.Info) error {
	if r.Ring != nil && r.Ring.Refused() > 0 {
		r.Warn("a condition became true %d more times than is kept, as --keep-max is %d", r.Ring.Refused(), r.Ring.Most)
	}
	if r.Output != "text" {
		return r.Info(r.Path)
	}
	size := int64(0)
	if st, err := os.Stat(r.Path); err == nil {
		size = st.Size()
	}
	_, err := fmt.Fprintf(r.Out, "%s\n  from %s to %s (%s)\n  %d events, %s\n  sha256 %s\n",
		report.Clean(r.Path), when.Format(info.Start), when.Format(info.End), report.Duration(info.End.Sub(info.Start)),
		info.Events, report.Bytes(size), info.SHA256)
	return err
}
