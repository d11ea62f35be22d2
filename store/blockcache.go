package store

import (
	"container/list"
	"sync"
)

// blockCache keeps decoded blocks, up to a number of bytes.
type blockCache struct {
	mu     sync.Mutex
	size   int
	recent list.List // of *block, most recent first
	clears int       // how often clear was called
}

const cachedBlocks = 32 << 20 // bytes

// holding returns the block with the position, nil if it is not kept. Of blocks
// that hold it (small ones are replaced by larger) any is right.
func (c *blockCache) holding(seq Seq) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.recent.Front(); e != nil; e = e.Next() {
		if b := e.Value.(*block); b.first <= seq && seq <= b.last() {
			c.recent.MoveToFront(e)
			return b
		}
	}
	return nil
}

// keep adds a block that was read when there had been so many clears; later it
// is one of those that were to be forgotten.
func (c *blockCache) keep(b *block, clears int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if clears != c.clears {
		return
	}
	c.recent.PushFront(b)
	for c.size += b.bytes(); c.size > cachedBlocks && c.recent.Len() > 1; {
		c.size -= c.recent.Remove(c.recent.Back()).(*block).bytes()
	}
}

// clear forgets all blocks.
func (c *blockCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent.Init()
	c.size = 0
	c.clears++
}

// cleared returns how often clear was called.
func (c *blockCache) cleared() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clears
}

// bytes is about what the block takes when all of it is unpacked.
func (b *block) bytes() int {
	n := 44 * len(b.entries)
	for _, s := range b.sections {
		n += s.size
	}
	return n
}
