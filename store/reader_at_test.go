package store

import (
	"bytes"
	"errors"
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

// failingReader fails from a read on.
type failingReader struct {
	from  io.ReaderAt
	left  int // reads that succeed
	after int // reads after the first that failed
}

var errAway = errors.New("the network is down")

func (f *failingReader) ReadAt(p []byte, off int64) (int, error) {
	if f.left == 0 {
		f.after++
		return 0, errAway
	}
	f.left--
	return f.from.ReadAt(p, off)
}

// TestSourceError: what a recording is read through fails from any read on. It is
// never taken for damage, and asked only once.
func TestSourceError(t *testing.T) {
	raw, _ := sealed(t)
	for left := 0; ; left++ {
		from := &failingReader{from: bytes.NewReader(raw), left: left}
		r, err := OpenReaderAt(from, int64(len(raw)))
		if err != nil {
			if !errors.Is(err, errAway) || errors.Is(err, ErrNotRecording) {
				t.Fatalf("after %d reads it opens with %v", left, err)
			}
			continue
		}
		read, failed := 0, 0
		for _, err := range r.Events(1, r.Info().Last) {
			if read++; err != nil {
				failed++
			}
		}
		_, verr := r.Verify()
		if from.after == 0 {
			if r.SourceError() != nil || failed > 0 || verr != nil {
				t.Fatalf("nothing failed, and yet %v, %d of %d, %v", r.SourceError(), failed, read, verr)
			}
			t.Logf("%d reads", left-from.left)
			return
		}
		if !errors.Is(r.SourceError(), errAway) || !errors.Is(verr, errAway) || r.Damage() != nil || from.after > 1 {
			t.Fatalf("after %d reads: %v, verify: %v, damage: %v, %d reads more", left, r.SourceError(), verr, r.Damage(), from.after)
		}
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
