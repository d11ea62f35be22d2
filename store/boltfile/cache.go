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
// Whoever reads on where the last read ended gets more and more at once. After a
// read that failed, every read fails for the same reason: what has to be waited for
// is waited for once. It may be used concurrently.
type Cache struct {
	from io.ReaderAt
	size int64
	most int // chunks

	mu     sync.Mutex
	chunks map[int64]*list.Element
	recent list.List // of chunk, most recent first
	next   int64     // chunk behind the last read
	ahead  int64     // chunks that the last read was of at least
	failed error
}

// SourceError is why what a Cache reads could not be read. It says nothing about
// the bytes that are there.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }

func (e *SourceError) Unwrap() error { return e.Err }

// Err returns why from could not be read, nil while it could. It is a SourceError.
func (c *Cache) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

type chunk struct {
	number int64
	bytes  []byte
}

// chunkSize is how much is read at once: a few pages, as a walk down the tree
// reads neighbours.
const chunkSize = 256 << 10

// mostAhead is how many chunks are read at once at most, unless one read wants more.
const mostAhead = 8

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
// it is read together with those after it up to last, or as many as are read ahead,
// that are not kept either and that there is room for.
func (c *Cache) chunk(number, last int64) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock() // who waits for the same chunk need not read it
	if e := c.chunks[number]; e != nil {
		c.recent.MoveToFront(e)
		return e.Value.(chunk).bytes, nil
	}
	if c.failed != nil {
		return nil, c.failed
	}
	if c.ahead = min(2*c.ahead, mostAhead); number != c.next || c.ahead == 0 {
		c.ahead = 1
	}
	last = max(last, number+c.ahead-1)
	end := number + 1
	for end <= last && end*chunkSize < c.size && end < number+int64(c.most) && c.chunks[end] == nil {
		end++
	}
	c.next = end
	b := make([]byte, min(end*chunkSize, c.size)-number*chunkSize)
	if n, err := c.from.ReadAt(b, number*chunkSize); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read %d bytes at %d: %w", len(b), number*chunkSize, io.ErrUnexpectedEOF)
		}
		c.failed = &SourceError{err}
		return nil, c.failed
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
