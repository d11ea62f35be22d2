package block

import (
	"container/list"
	"sync"

	"github.com/svcspy/svcspy/store/event"
)

// Cache keeps decoded blocks, up to a number of bytes.
type Cache struct {
	mu     sync.Mutex
	size   int
	recent list.List // of *block, most recent first
	clears int       // how often clear was called
}

const cachedBlocks = 32 << 20 // bytes

// Holding returns the block with the position, nil if it is not kept. Of blocks
// that hold it (small ones are replaced by larger) any is right.
func (c *Cache) Holding(seq event.Seq) *Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.recent.Front(); e != nil; e = e.Next() {
		if b := e.Value.(*Block); b.First <= seq && seq <= b.Last() {
			c.recent.MoveToFront(e)
			return b
		}
	}
	return nil
}

// Keep adds a block that was read when there had been so many clears; later it
// is one of those that were to be forgotten.
func (c *Cache) Keep(b *Block, clears int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if clears != c.clears {
		return
	}
	c.recent.PushFront(b)
	for c.size += b.bytes(); c.size > cachedBlocks && c.recent.Len() > 1; {
		c.size -= c.recent.Remove(c.recent.Back()).(*Block).bytes()
	}
}

// Clear forgets all blocks.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent.Init()
	c.size = 0
	c.clears++
}

// Cleared returns how often clear was called.
func (c *Cache) Cleared() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clears
}

// bytes is about what the block takes when all of it is unpacked.
func (b *Block) bytes() int {
	n := 44 * len(b.Entries)
	for _, s := range b.sections {
		n += s.size
	}
	return n
}
