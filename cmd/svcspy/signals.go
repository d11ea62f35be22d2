package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// signals counts interrupts: the first ends the context, the second closes the
// second channel.
type signals struct {
	second chan struct{}
	done   chan struct{} // closed by stop
	stop   func()
}

func (s *signals) forced() bool {
	select {
	case <-s.second:
		return true
	default:
		return false
	}
}

// interruptible returns a context that ends at the first INT, TERM or HUP: what
// is known by then is printed. The second ends the program at once, whatever it
// is at.
func (a *app) interruptible(parent context.Context) (context.Context, func()) {
	ctx, s := twice(parent)
	go func() {
		select {
		case <-s.second:
			fmt.Fprintf(a.err, "svcspy: error: %v\n", errInterrupted)
			os.Exit(exitInterrupted)
		case <-s.done:
		}
	}()
	return ctx, s.stop
}

// twice returns a context that ends at the first INT, TERM or HUP: an ssh
// session that drops must not lose an incident. Of the second it only tells.
func twice(parent context.Context) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	s := &signals{second: make(chan struct{}), done: make(chan struct{})}
	s.stop = func() {
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
					close(s.second)
					return
				}
			case <-s.done:
				return
			}
		}
	}()
	return ctx, s
}

// keepRequests returns the signals that ask to keep. They end the program
// unless somebody listens, so that is done early.
func keepRequests() (ch chan os.Signal, stop func()) {
	ch = make(chan os.Signal, 1)
	if len(keepSignals) > 0 { // none would be all
		signal.Notify(ch, keepSignals...)
	}
	return ch, func() { signal.Stop(ch) }
}

// keepOnSignals calls keep for each signal, until ctx is done.
func keepOnSignals(ctx context.Context, ch <-chan os.Signal, keep func()) {
	for {
		select {
		case <-ch:
			keep()
		case <-ctx.Done():
			return
		}
	}
}
