package store

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// TestDelta: whatever was changed, patching gives it back.
func TestDelta(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var d differ
		base := rapid.SliceOfN(rapid.ByteRange('a', 'd'), 0, 300).Draw(rt, "base")
		// Pieces of the base and new bytes, in any order.
		var target []byte
		for range rapid.IntRange(0, 6).Draw(rt, "pieces") {
			if len(base) > 0 && rapid.Bool().Draw(rt, "copy") {
				from := rapid.IntRange(0, len(base)-1).Draw(rt, "from")
				target = append(target, base[from:rapid.IntRange(from, len(base)).Draw(rt, "to")]...)
			} else {
				target = append(target, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(rt, "new")...)
			}
		}
		prefix := []byte("kept")
		delta := d.delta(bytes.Clone(prefix), base, target)
		if !bytes.HasPrefix(delta, prefix) {
			rt.Fatalf("what was in dst is gone: %q", delta)
		}
		got, err := patch(base, delta[len(prefix):])
		if err != nil || !bytes.Equal(target, got) {
			rt.Fatalf("patched to %q, %v; want %q", got, err, target)
		}
	})
}

func FuzzPatch(f *testing.F) {
	var d differ
	f.Add([]byte("the old text, the old text"), d.delta(nil, []byte("the old text, the old text"), []byte("the new text, the old text")))
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		target, err := patch(base, delta)
		if err == nil && len(target) > maxObject {
			t.Fatalf("%d bytes", len(target))
		}
	})
}

func FuzzBlock(f *testing.F) {
	b, v := newBuilder(7), newVersions(1<<20)
	var d differ
	for n := 1; n < 30; n++ {
		e := numbered(n)
		e.Seq = b.next()
		id, _ := scan(e.Resource, e.Object)
		if err := b.addEvent(&e, &id, 0, v, &d); err != nil {
			f.Fatal(err)
		}
	}
	b.addCoverage(&Coverage{Seq: b.next(), Time: start, Resource: pods, Status: "odd"})
	z := newEncoder(zstd.SpeedFastest)
	f.Add(b.encode(z, [32]byte{}, 0))
	f.Add(b.encode(z, [32]byte{}, 20))
	f.Fuzz(func(t *testing.T, value []byte) {
		b, err := parseBlock(value)
		if err != nil {
			return
		}
		d := decoding{read: func(Seq) (*block, error) { return nil, ErrNotEvent }, made: &made{}}
		for i, e := range b.entries {
			if e.tag&tagType == tagCoverage {
				_, _ = b.coverage(i)
			} else {
				_, _ = d.eventIn(b, e.seq)
			}
		}
	})
}

// FuzzIndex feeds the parts of the index with what might have been compressed.
func FuzzIndex(f *testing.F) {
	x, track := newIndex(), newTracker()
	for n := 1; n < 60; n++ {
		e := numbered(n)
		e.Seq = Seq(n)
		id, _ := scan(e.Resource, e.Object)
		for _, c := range track.observe(nil, &e, &id) {
			x.add(&c)
		}
	}
	z := newEncoder(zstd.SpeedFastest)
	r := &run{first: 1, last: 59}
	add := func(value []byte) {
		raw, err := unpackSized(value, maxSection)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	err := press(r, []source{x}, z, func(_ string, _ int, value []byte) error { add(value); return nil })
	if err != nil {
		f.Fatal(err)
	}
	add(r.encode(z))
	t := trail{first: 1, count: 1, ledger: []Coverage{{Seq: 1, Time: start, Resource: pods, Status: Gap}}, times: [2]int64{start.UnixMicro(), start.UnixMicro()}}
	add(t.encode(z))
	f.Fuzz(func(t *testing.T, raw []byte) {
		value := pack(z, raw)
		_, _ = parseRun(1, value)
		_, _ = parseTrail(value)
		_, _ = parseObjects(value, 1)
		_, _ = parseTerms(value)
	})
}

func FuzzOpen(f *testing.F) {
	raw, _ := sealed(f)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "fuzz")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _ = readAll(path)
		_, _ = Verify(path)
	})
}

// TestBomb: a small file whose values unpack to much more does not take memory
// for more than a few of them at once.
func TestBomb(t *testing.T) {
	zeros := make([]byte, maxSection-1<<20)
	z := newEncoder(zstd.SpeedFastest)
	b := newBuilder(1)
	b.lane(pods)
	b.lanes[0].content = zeros
	b.add(1, 1, 0, start, 0, zeros)
	value := b.encode(z, [32]byte{}, 0)
	path := filepath.Join(t.TempDir(), "bomb")
	w, err := Create(path, Header{Start: start}, noSync)
	if err != nil {
		t.Fatal(err)
	}
	w.end.First, w.end.Last = 1, 20
	if err := w.Commit(start); err != nil {
		t.Fatal(err)
	}
	err = w.db.Update(func(tx *bbolt.Tx) error {
		for seq := Seq(1); seq <= 20; seq++ {
			value[33] = byte(seq) // its first position
			if err := put(tx, bucketBlocks, seqKey(seq), bytes.Clone(value)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if size := sizeOf(t, path); size > 1<<20 {
		t.Fatalf("the file has %d bytes", size)
	}
	r := open(t, path)
	var most uint64
	n := 0
	for range r.Events(1, 20) {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
		n++
	}
	if n != 20 || most > 1<<30 {
		t.Errorf("%d events took %d MiB at once", n, most>>20)
	}
}
