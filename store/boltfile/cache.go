package boltfile

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Cache is an io.ReaderAt over another whose bytes never change and where each
// read is dear, such as an object in a bucket. It reads whole chunks, several that
// follow each other at once, and keeps the last ones used, up to a number of bytes.
// It may be used concurrently.
type Cache struct {
	from io.ReaderAt
	size int64
	most int // chunks

	mu     sync.Mutex
	chunks map[int64]*list.Element
	recent list.List // of chunk, most recent first
}

type chunk struct {
	number int64
	bytes  []byte
}

// chunkSize is how much is read at once: a few pages, as a walk down the tree
// reads neighbours.
const chunkSize = 64 << 10

// NewCache returns a Cache over size bytes that keeps about most of them, at
// least one chunk.
func NewCache(from io.ReaderAt, size int64, most int) *Cache {
	return &Cache{from: from, size: size, most: max(most/chunkSize, 1), chunks: map[int64]*list.Element{}}
}

// ReadAt implements io.ReaderAt.
func (c *Cache) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= c.size {
		return 0, io.EOF
	}
	if rest := c.size - off; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	for n < len(p) {
		number := (off + int64(n)) / chunkSize
		b, failed := c.chunk(number, (off+int64(len(p))-1)/chunkSize)
		if failed != nil {
			return n, failed
		}
		n += copy(p[n:], b[off+int64(n)-number*chunkSize:])
	}
	return n, err
}

// chunk returns the bytes of a chunk, all those that are there. If it is not kept
// it is read together with those after it up to last that are not kept either,
// and of which there is room for.
func (c *Cache) chunk(number, last int64) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock() // who waits for the same chunk need not read it
	if e := c.chunks[number]; e != nil {
		c.recent.MoveToFront(e)
		return e.Value.(chunk).bytes, nil
	}
	end := number + 1
	for end <= last && end < number+int64(c.most) && c.chunks[end] == nil {
		end++
	}
	b := make([]byte, min(end*chunkSize, c.size)-number*chunkSize)
	if n, err := c.from.ReadAt(b, number*chunkSize); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read %d bytes at %d: %w", len(b), number*chunkSize, err)
	}
	for i := end - 1; i >= number; i-- {
		part := b[(i-number)*chunkSize : min((i-number+1)*chunkSize, int64(len(b)))]
		c.chunks[i] = c.recent.PushFront(chunk{i, part})
	}
	for c.recent.Len() > c.most {
		delete(c.chunks, c.recent.Remove(c.recent.Back()).(chunk).number)
	}
	return b[:min(chunkSize, len(b))], nil
}
