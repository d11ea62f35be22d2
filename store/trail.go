package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// trail is what the indexes need of the positions written by one commit, so
// that whoever opens an unfinished file need not read the events for it. It
// becomes part of a run later.
type trail struct {
	first   Seq
	begin   Seq      // the first position there is; not before first. Not written: only excerpts have others, and no trails
	times   [2]int64 // of begin and the last position, microseconds
	count   int      // from first to the last position
	changes []change // only those that change an index
	ledger  []Coverage
}

var errTrail = fmt.Errorf("malformed trail: %w", errIndex)

// encode packs the trail.
func (t *trail) encode(z *zstd.Encoder) []byte {
	d := dictionary{places: map[string]uint64{}}
	var body []byte
	body = binary.AppendUvarint(body, uint64(t.first))
	body = binary.AppendUvarint(body, uint64(t.count))
	body = binary.AppendVarint(body, t.times[0])
	body = binary.AppendUvarint(body, uint64(t.times[1]-t.times[0]))
	body = binary.AppendUvarint(body, uint64(len(t.changes)))
	for i := range t.changes {
		c := &t.changes[i]
		body = append(body, byte(c.state))
		body = binary.AppendUvarint(body, uint64(c.seq-t.first))
		body = d.appendResource(body, c.ref.Resource)
		body = d.appendWord(d.appendWord(body, c.ref.Namespace), c.ref.Name)
		for _, attrs := range [][]attr{c.added, c.removed} {
			body = binary.AppendUvarint(body, uint64(len(attrs)))
			for _, a := range attrs {
				body = d.appendWord(body, string(a))
			}
		}
	}
	body = d.appendLedger(body, t.ledger, t.first, t.times[0])
	return pack(z, append(d.append(nil), body...))
}

func parseTrail(value []byte) (*trail, error) {
	raw, err := unpackSized(value, maxSection)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTrail, err)
	}
	w := wire{data: raw}
	words := w.words()
	t := &trail{first: Seq(w.uvarint()), count: int(w.uvarint())}
	t.begin = t.first
	attributes := 0
	t.times[0] = w.varint()
	t.times[1] = t.times[0] + int64(w.uvarint())
	for range w.countUpTo(maxChanges, 6) {
		c := change{version: version{state: state(w.byte())}}
		c.seq = t.first + Seq(min(w.uvarint(), maxSeq))
		c.ref = Ref{w.resource(words), w.word(words), w.word(words)}
		for _, attrs := range []*[]attr{&c.added, &c.removed} {
			n := w.count(1)
			if attributes += n; attributes > maxWords {
				return nil, errTrail
			}
			for range n {
				*attrs = append(*attrs, attr(w.word(words)))
			}
		}
		t.changes = append(t.changes, c)
	}
	t.ledger = w.ledger(words, t.first, t.times[0])
	if w.bad || len(w.data) > 0 || t.first == 0 || t.first > maxSeq || t.count <= 0 || t.count > maxCount {
		return nil, errTrail
	}
	return t, nil
}

// dictionary numbers the strings of one section, each written once.
type dictionary struct {
	places map[string]uint64
	words  []string
}

func (d *dictionary) place(s string) uint64 {
	p, ok := d.places[s]
	if !ok {
		p = uint64(len(d.words))
		d.places[s] = p
		d.words = append(d.words, s)
	}
	return p
}

func (d *dictionary) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(d.words)))
	for _, s := range d.words {
		dst = appendText(dst, s)
	}
	return dst
}

func (d *dictionary) appendWord(dst []byte, s string) []byte {
	return binary.AppendUvarint(dst, d.place(s))
}

func (d *dictionary) appendResource(dst []byte, r schema.GroupVersionResource) []byte {
	return d.appendWord(d.appendWord(d.appendWord(dst, r.Group), r.Version), r.Resource)
}

// appendLedger writes coverage changes from the position and time on.
func (d *dictionary) appendLedger(dst []byte, ledger []Coverage, first Seq, from int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ledger)))
	for i := range ledger {
		c := &ledger[i]
		dst = binary.AppendUvarint(dst, uint64(c.Seq-first))
		dst = binary.AppendUvarint(dst, uint64(c.Time.UnixMicro()-from))
		dst = d.appendResource(dst, c.Resource)
		dst = appendCoverage(dst, c)
		first, from = c.Seq, c.Time.UnixMicro()
	}
	return dst
}

// words reads a dictionary.
func (w *wire) words() []string {
	words := make([]string, w.countUpTo(maxWords, 1))
	for i := range words {
		words[i] = w.text()
	}
	return words
}

func (w *wire) word(words []string) string {
	p := w.uvarint()
	if p >= uint64(len(words)) {
		w.fail()
		return ""
	}
	return words[p]
}

func (w *wire) resource(words []string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: w.word(words), Version: w.word(words), Resource: w.word(words)}
}

func (w *wire) ledger(words []string, first Seq, from int64) []Coverage {
	var ledger []Coverage
	for range w.countUpTo(maxLedger, 6) {
		first, from = first+Seq(min(w.uvarint(), maxSeq)), from+int64(w.uvarint())
		if first > maxSeq {
			w.fail()
		}
		resource := w.resource(words)
		c := w.coverage()
		c.Seq, c.Time, c.Resource = first, time.UnixMicro(from).UTC(), resource
		ledger = append(ledger, c)
	}
	return ledger
}
