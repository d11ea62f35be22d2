package boltfile

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// countingReader counts reads, and fails a read that is longer than there is.
type countingReader struct {
	*bytes.Reader
	reads int
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.Reader.ReadAt(p, off)
}

// TestReadAhead: who reads on gets more at once, who jumps does not.
func TestReadAhead(t *testing.T) {
	const chunks = 300
	from := &countingReader{Reader: bytes.NewReader(make([]byte, chunks*chunkSize))}
	c := NewCache(from, chunks*chunkSize, 100*chunkSize)
	p := make([]byte, 4096)
	for off := int64(0); off < chunks*chunkSize; off += 4096 {
		if _, err := c.ReadAt(p, off); err != nil {
			t.Fatal(err)
		}
	}
	if from.reads > 5+chunks/mostAhead+1 {
		t.Errorf("%d reads from front to back", from.reads)
	}
	from.reads = 0
	for off := int64(chunks-1) * chunkSize; off > 200*chunkSize; off -= 2 * chunkSize {
		if _, err := c.ReadAt(p, off-chunkSize*180); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.chunks) > 100 || c.ahead != 1 {
		t.Errorf("%d chunks are kept, %d are read ahead", len(c.chunks), c.ahead)
	}
}

// TestCache: whatever is read is what is there, as from a bytes.Reader, and what
// is kept is not read again.
func TestCache(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 5*chunkSize).Draw(rt, "size")
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i*7 + i/chunkSize)
		}
		from := &countingReader{Reader: bytes.NewReader(content)}
		most := rapid.IntRange(0, 4*chunkSize).Draw(rt, "most")
		c := NewCache(from, int64(size), most)
		for range rapid.IntRange(1, 10).Draw(rt, "reads") {
			off := rapid.IntRange(0, size+10).Draw(rt, "off")
			p, want := make([]byte, rapid.IntRange(0, 2*chunkSize).Draw(rt, "length")), []byte(nil)
			n, err := c.ReadAt(p, int64(off))
			if off < size {
				want = content[off:min(off+len(p), size)]
			}
			if !bytes.Equal(p[:n], want) || (n < len(p) || off >= size) != (err == io.EOF) {
				rt.Fatalf("read %d at %d of %d: %d, %v", len(p), off, size, n, err)
			}
			before := from.reads
			if len(p) > 0 && len(p) < min(most, chunkSize)/2 {
				if _, _ = c.ReadAt(p, int64(off)); from.reads != before && most >= 2*chunkSize {
					rt.Fatalf("%d bytes at %d were read again", len(p), off)
				}
			}
			if len(c.chunks) > c.most || c.recent.Len() != len(c.chunks) {
				rt.Fatalf("%d chunks are kept of %d", len(c.chunks), c.most)
			}
		}
	})
}
