package tui

import (
	"context"
	"runtime/debug"
	"sync"

	tea "charm.land/bubbletea/v2"
)

// jobs does in the background what would keep the screen from answering. Its
// goroutines end when it is dismissed, which waits for them.
type jobs struct {
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func newJobs(ctx context.Context) *jobs {
	c := &jobs{}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// do begins a piece of work at once. The command it returns delivers the
// outcome; whether anybody runs that makes no difference to the work. A panic is
// an outcome too: it ends the program where the terminal can be restored.
func (c *jobs) do(work func(ctx context.Context) tea.Msg) tea.Cmd {
	done := make(chan tea.Msg, 1)
	c.work.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				done <- panicMsg{p, debug.Stack()}
			}
		}()
		done <- work(c.ctx)
	})
	return func() tea.Msg { return <-done }
}

// panicMsg brings a panic of a job to the screen.
type panicMsg struct {
	value any
	stack []byte
}

func (c *jobs) dismiss() {
	c.cancel()
	c.work.Wait()
}
