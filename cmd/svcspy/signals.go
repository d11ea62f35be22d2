package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals counts interrupts: the first ends the context, the second closes the
// second channel.
type signals struct {
	second chan struct{}
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

// interruptible returns a context that ends at the first INT, TERM or HUP: an
// ssh session that drops must not lose an incident.
func interruptible(parent context.Context) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	s := &signals{second: make(chan struct{})}
	s.stop = func() {
		signal.Stop(ch)
		close(done)
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
			case <-done:
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
