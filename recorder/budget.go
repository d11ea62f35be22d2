package recorder

import "sync"

// budget bounds the bytes that are on their way from the streams to the
// writer. A stream that finds it spent waits and stops reading, so that TCP
// holds the API server back; nothing is dropped.
type budget struct {
	size int64

	mu    sync.Mutex
	free  int64
	freed chan struct{} // closed when bytes come back; nil while nobody waits
}

func newBudget(size int64) *budget { return &budget{size: size, free: size} }

// take waits for n bytes or for stop. What is larger than the whole budget
// has it for itself.
func (b *budget) take(n int64, stop <-chan struct{}) bool {
	for {
		b.mu.Lock()
		if b.free >= n || b.free == b.size {
			b.free -= n
			b.mu.Unlock()
			return true
		}
		if b.freed == nil {
			b.freed = make(chan struct{})
		}
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-stop:
			return false
		}
	}
}

// idle reports whether nothing is on its way.
func (b *budget) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free == b.size && b.freed == nil
}

// give returns n bytes.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
}
