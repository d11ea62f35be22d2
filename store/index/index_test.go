package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

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

// FuzzIndex feeds the parts of the index with what might have been compressed.
func FuzzIndex(f *testing.F) {
	x, track := NewIndex(), NewTracker()
	for n := 1; n < 60; n++ {
		e := numbered(n)
		e.Seq = event.Seq(n)
		id, _ := rawjson.Identify(e.Resource, e.Object)
		for _, c := range track.Observe(nil, &e, &id) {
			x.Add(&c)
		}
	}
	z := encoding.NewEncoder(zstd.SpeedFastest)
	r := &Segment{First: 1, Last: 59}
	add := func(value []byte) {
		raw, err := encoding.Unpack(value, encoding.MaxSection)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	err := merge(r, []Source{x}, z, func(_ string, _ int, value []byte) error { add(value); return nil })
	if err != nil {
		f.Fatal(err)
	}
	add(r.Encode(z))
	t := Commit{First: 1, Count: 1, Ledger: []event.Coverage{{Seq: 1, Time: start, Resource: pods, Status: event.Gap}}, Times: [2]int64{start.UnixMicro(), start.UnixMicro()}}
	add(t.Encode(z))
	f.Fuzz(func(t *testing.T, raw []byte) {
		value := encoding.Pack(z, raw)
		_, _ = ParseSegment(1, value)
		_, _ = ParseCommit(value)
		_, _ = ParseObjects(value, 1)
		_, _ = ParseTerms(value)
	})
}

// TestExpandingNames: names that share all but a byte with the one before do not
// take more memory than they may.
func TestExpandingNames(t *testing.T) {
	const names = 10_000
	var body []byte
	body = binary.AppendUvarint(body, 1) // words: ""
	body = append(body, 0)
	body = binary.AppendUvarint(body, names)
	for n := range names {
		body = append(body, 0, 0, 0, 0)
		body = binary.AppendUvarint(body, uint64(n))
		body = append(body, 1, 'a')
	}
	body = append(body, make([]byte, names)...)
	if _, err := ParseObjects(encoding.Pack(encoding.NewEncoder(zstd.SpeedFastest), body), 1); !errors.Is(err, errSegment) {
		t.Errorf("%d names of up to %d bytes: %v", names, names, err)
	}
}
