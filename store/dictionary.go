package store

import (
	"encoding/binary"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	maxWords = 1 << 20 // in a dictionary
	// maxPage bounds what an index page unpacks to, and its names written out.
	maxPage = 16 << 20
)

// dictionary numbers the strings of one section, each written once.
type dictionary struct {
	places map[string]uint64
	words  []string
}

func newDictionary() *dictionary { return &dictionary{places: map[string]uint64{}} }

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

// appendShared writes how much of last s begins with, and the rest.
func appendShared(dst []byte, last, s string) []byte {
	n := 0
	for n < len(s) && n < len(last) && s[n] == last[n] {
		n++
	}
	return appendText(binary.AppendUvarint(dst, uint64(n)), s[n:])
}

func (w *wire) shared(last string) string {
	n := w.uvarint()
	if n > uint64(len(last)) || w.expanded+int(n) > maxPage {
		w.fail()
		return ""
	}
	w.expanded += int(n)
	return last[:n] + w.text()
}
