package block

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/rawjson"
)

var (
	start = time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)
	pods  = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
)

// numbered is the n-th of many events about few Pods.
func numbered(n int) event.Event {
	name := fmt.Sprintf("pod-%d", n%17)
	object := fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"a","uid":"u-%d","resourceVersion":"%d","labels":{"app":"app-%d"}},"text":"%d"}`, name, n%17, n, n%7, n*7919)
	return event.Event{Seq: event.Seq(n), Time: start.Add(time.Duration(n) * time.Millisecond), Type: watch.Modified, Resource: pods, Namespace: "a", Name: name, Object: []byte(object)}
}

// TestDelta: whatever was changed, patching gives it back.
func TestDelta(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var d Differ
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
	var d Differ
	f.Add([]byte("the old text, the old text"), d.delta(nil, []byte("the old text, the old text"), []byte("the new text, the old text")))
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		target, err := patch(base, delta)
		if err == nil && len(target) > MaxObject {
			t.Fatalf("%d bytes", len(target))
		}
	})
}

func FuzzBlock(f *testing.F) {
	b, v := NewBuilder(7), NewBases(1<<20)
	var d Differ
	for n := 1; n < 30; n++ {
		e := numbered(n)
		e.Seq = b.Next()
		id, _ := rawjson.Identify(e.Resource, e.Object)
		if err := b.AddEvent(&e, &id, 0, v, &d); err != nil {
			f.Fatal(err)
		}
	}
	b.AddCoverage(&event.Coverage{Seq: b.Next(), Time: start, Resource: pods, Status: "odd"})
	z := encoding.NewEncoder(zstd.SpeedFastest)
	f.Add(b.Encode(z, [32]byte{}, 0))
	f.Add(b.Encode(z, [32]byte{}, 20))
	f.Fuzz(func(t *testing.T, value []byte) {
		b, err := Parse(value)
		if err != nil {
			return
		}
		d := Decoder{Read: func(event.Seq) (*Block, error) { return nil, event.ErrNotEvent }, Objects: &ObjectCache{}}
		for i, e := range b.Entries {
			if e.Tag&TagType == TagCoverage {
				_, _ = b.Coverage(i)
			} else {
				_, _ = d.EventIn(b, e.Seq)
			}
		}
	})
}

// TestManySections: what the sections of a block unpack to is bounded in sum.
func TestManySections(t *testing.T) {
	b := NewBuilder(1)
	for i := range 8 {
		r := pods
		r.Resource += strings.Repeat("x", i)
		b.lanes = append(b.lanes, lane{resource: r, content: make([]byte, encoding.MaxSection/4)})
		b.add(event.Seq(i+1), 1, i, start, 0, b.lanes[i].content)
	}
	if _, err := Parse(b.Encode(encoding.NewEncoder(zstd.SpeedFastest), [32]byte{}, 0)); !errors.Is(err, encoding.ErrMalformed) {
		t.Errorf("a block of twice %d bytes: %v", encoding.MaxSection, err)
	}
}
