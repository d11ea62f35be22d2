package store

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"
)

// countingReader counts what is read of a recording that is not a file.
type countingReader struct {
	from         io.ReaderAt
	reads, bytes atomic.Int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	c.bytes.Add(int64(len(p)))
	return c.from.ReadAt(p, off)
}

// TestOpenReaderAt reads a recording from elsewhere: it answers as from a file,
// with few reads, each of them once.
func TestOpenReaderAt(t *testing.T) {
	raw, m := sealed(t)
	from := &countingReader{from: bytes.NewReader(raw)}
	r, err := OpenReaderAt(from, int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	opened := from.reads.Load()
	m.check(t, r, []Seq{0, 150, Seq(len(m.events))})
	chunks := int64(len(raw)/(64<<10) + 1)
	t.Logf("%d bytes, %d reads to open, %d in all, of %d bytes", len(raw), opened, from.reads.Load(), from.bytes.Load())
	if opened > chunks || from.reads.Load() > chunks || from.bytes.Load() > int64(len(raw)) {
		t.Errorf("%d reads of %d bytes, of a recording of %d", from.reads.Load(), from.bytes.Load(), len(raw))
	}
}

// TestDamagedReaderAt: what a file may be, a recording from elsewhere may be, too.
func TestDamagedReaderAt(t *testing.T) {
	raw, m := sealed(t)
	for name, content := range map[string][]byte{
		"cut short": raw[:len(raw)/2],
		"scratched": append(bytes.Repeat([]byte{0xff}, 2*4096), raw[2*4096:]...),
	} {
		r, err := OpenReaderAt(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Damage() == nil {
			t.Errorf("%s: no damage", name)
		}
		events := map[Seq]Event{}
		for e, err := range r.Events(1, r.Info().Last) {
			if err == nil {
				events[e.Seq] = e
			}
		}
		m.contains(t, name, events)
	}
	for name, content := range map[string][]byte{"nothing": nil, "text": bytes.Repeat([]byte("kind: Pod\n"), 5000)} {
		if _, err := OpenReaderAt(bytes.NewReader(content), int64(len(content))); err == nil {
			t.Errorf("%s opens", name)
		}
	}
}
