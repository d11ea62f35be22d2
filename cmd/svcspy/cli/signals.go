package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/svcspy/svcspy/cmd/svcspy/process"
)

// Signals counts interrupts: the first ends the context, the second closes the
// second channel.
type Signals struct {
	Second chan struct{}
	done   chan struct{} // closed by stop
	Stop   func()
}

func (s *Signals) Forced() bool {
	select {
	case <-s.Second:
		return true
	default:
		return false
	}
}

// Interruptible returns a context that ends at the first INT, TERM or HUP: what
// is known by then is printed. The second ends the program at once, whatever it
// is at.
func (a *App) Interruptible(parent context.Context) (context.Context, func()) {
	ctx, s := Twice(parent)
	a.Context = ctx
	go func() {
		select {
		case <-s.Second:
			fmt.Fprintf(a.Err, "svcspy: error: %v\n", ErrInterrupted)
			os.Exit(ExitInterrupted)
		case <-s.done:
		}
	}()
	return ctx, s.Stop
}

// Twice returns a context that ends at the first INT, TERM or HUP: an ssh
// session that drops must not lose an incident. Of the second it only tells.
func Twice(parent context.Context) (context.Context, *Signals) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	s := &Signals{Second: make(chan struct{}), done: make(chan struct{})}
	s.Stop = func() {
		signal.Stop(ch)
		close(s.done)
		cancel()
	}
	go func() {
		for n := 0; ; n++ {
			select {
			case <-ch:
				if n == 0 {
					cancel()
				} else {
					close(s.Second)
					return
				}
			case <-s.done:
				return
			}
		}
	}()
	return ctx, s
}

// KeepRequests returns the signals that ask to keep. They end the program
// unless somebody listens, so that is done early.
func KeepRequests() (ch chan os.Signal, stop func()) {
	ch = make(chan os.Signal, 1)
	if len(process.KeepSignals) > 0 { // none would be all
		signal.Notify(ch, process.KeepSignals...)
	}
	return ch, func() { signal.Stop(ch) }
}

// KeepOnSignals calls keep for each signal, until ctx is done.
func KeepOnSignals(ctx context.Context, ch <-chan os.Signal, keep func()) {
	for {
		select {
		case <-ch:
			keep()
		case <-ctx.Done():
			return
		}
	}
}
