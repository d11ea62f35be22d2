package store

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/klauspost/compress/zstd"
)

//HELPER

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
	if _, err := parseObjects(pack(newEncoder(zstd.SpeedFastest), body), 1); !errors.Is(err, errRun) {
		t.Errorf("%d names of up to %d bytes: %v", names, names, err)
	}
}
