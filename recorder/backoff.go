package recorder

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spreads the attempts at something that fails: each wait is twice the
// one before, up to longest, and varied by half so that many streams do not
// come back in step.
type backoff struct {
	shortest, longest time.Duration
	last              time.Duration
}

func (b *backoff) reset() { b.last = 0 }

// next returns how long to wait before another attempt; never less than the
// server asked for.
func (b *backoff) next(asked time.Duration) time.Duration {
	b.last = min(max(2*b.last, b.shortest), b.longest)
	return asked + vary(b.last)
}

// vary returns d ± 50 %.
func vary(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1)
}

// sleep waits for d; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
