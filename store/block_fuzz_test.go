package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

//HELPER

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

// TestManySections: what the sections of a block unpack to is bounded in sum.
func TestManySections(t *testing.T) {
	b := newBuilder(1)
	for i := range 8 {
		r := pods
		r.Resource += strings.Repeat("x", i)
		b.lanes = append(b.lanes, lane{resource: r, content: make([]byte, maxSection/4)})
		b.add(Seq(i+1), 1, i, start, 0, b.lanes[i].content)
	}
	if _, err := parseBlock(b.encode(newEncoder(zstd.SpeedFastest), [32]byte{}, 0)); !errors.Is(err, errBlock) {
		t.Errorf("a block of twice %d bytes: %v", maxSection, err)
	}
}
