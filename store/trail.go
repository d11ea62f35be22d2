package store

import (
	"encoding/binary"
	"errors"
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
	times   [2]int64 // of the first and the last position, microseconds
	count   int
	changes []change // only those that change an index
	ledger  []Coverage
}

var errTrail = errors.New("malformed trail")

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
		body = append(body, byte(c.op))
		body = binary.AppendUvarint(body, uint64(c.seq-t.first))
		body = d.appendChange(body, c)
		if c.op != opListed {
			continue
		}
		body = binary.AppendUvarint(body, uint64(c.seq-c.listed))
		body = binary.AppendUvarint(body, uint64(len(c.gone)))
		for j := range c.gone {
			body = d.appendChange(body, &c.gone[j])
		}
	}
	body = binary.AppendUvarint(body, uint64(len(t.ledger)))
	for i := range t.ledger {
		c := &t.ledger[i]
		body = binary.AppendUvarint(body, uint64(c.Seq-t.first))
		body = binary.AppendUvarint(body, uint64(c.Time.UnixMicro()-t.times[0]))
		body = d.appendResource(body, c.Resource)
		body = appendCoverage(body, c)
	}
	raw := d.append(nil)
	raw = append(raw, body...)
	return z.EncodeAll(raw, binary.LittleEndian.AppendUint32(nil, uint32(len(raw))))
}

func parseTrail(value []byte) (*trail, error) {
	w := wire{data: value}
	size := w.uint32()
	raw, err := unpack(w.data, int(size))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTrail, err)
	}
	w = wire{data: raw}
	words := w.words()
	t := &trail{first: Seq(w.uvarint()), count: int(w.uvarint())}
	t.times[0] = w.varint()
	t.times[1] = t.times[0] + int64(w.uvarint())
	for range w.count(6) {
		c := change{op: changeOp(w.byte())}
		c.seq = t.first + Seq(w.uvarint())
		w.change(words, &c)
		if c.op == opListed {
			c.listed = c.seq - Seq(w.uvarint())
			for range w.count(5) {
				gone := change{seq: c.seq}
				w.change(words, &gone)
				c.gone = append(c.gone, gone)
			}
		}
		t.changes = append(t.changes, c)
	}
	for range w.count(6) {
		seq, at := t.first+Seq(w.uvarint()), t.times[0]+int64(w.uvarint())
		resource := w.resource(words)
		c := w.coverage()
		c.Seq, c.Time, c.Resource = seq, time.UnixMicro(at).UTC(), resource
		t.ledger = append(t.ledger, c)
	}
	if w.bad || len(w.data) > 0 || t.first == 0 || t.count == 0 || t.count > maxCount {
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

func (d *dictionary) appendChange(dst []byte, c *change) []byte {
	dst = d.appendResource(dst, c.ref.Resource)
	dst = d.appendWord(d.appendWord(dst, c.ref.Namespace), c.ref.Name)
	for _, attrs := range [][]attr{c.added, c.removed} {
		dst = binary.AppendUvarint(dst, uint64(len(attrs)))
		for _, a := range attrs {
			dst = d.appendWord(dst, string(a))
		}
	}
	return dst
}

// words reads a dictionary.
func (w *wire) words() []string {
	words := make([]string, w.count(1))
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

func (w *wire) change(words []string, c *change) {
	c.ref = Ref{w.resource(words), w.word(words), w.word(words)}
	for _, attrs := range []*[]attr{&c.added, &c.removed} {
		for range w.count(1) {
			*attrs = append(*attrs, attr(w.word(words)))
		}
	}
}
