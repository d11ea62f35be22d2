package encoding

import (
	"encoding/binary"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	MaxWords = 1 << 20 // in a dictionary
	// MaxPage bounds what an index page unpacks to, and its names written out.
	MaxPage = 16 << 20
)

// Dictionary numbers the strings of one section, each written once.
type Dictionary struct {
	places map[string]uint64
	words  []string
}

func NewDictionary() *Dictionary { return &Dictionary{places: map[string]uint64{}} }

func (d *Dictionary) place(s string) uint64 {
	p, ok := d.places[s]
	if !ok {
		p = uint64(len(d.words))
		d.places[s] = p
		d.words = append(d.words, s)
	}
	return p
}

func (d *Dictionary) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(d.words)))
	for _, s := range d.words {
		dst = AppendText(dst, s)
	}
	return dst
}

func (d *Dictionary) AppendWord(dst []byte, s string) []byte {
	return binary.AppendUvarint(dst, d.place(s))
}

func (d *Dictionary) AppendResource(dst []byte, r schema.GroupVersionResource) []byte {
	return d.AppendWord(d.AppendWord(d.AppendWord(dst, r.Group), r.Version), r.Resource)
}

// Words reads a dictionary.
func (w *Reader) Words() []string {
	words := make([]string, w.CountUpTo(MaxWords, 1))
	for i := range words {
		words[i] = w.Text()
	}
	return words
}

func (w *Reader) Word(words []string) string {
	p := w.Uvarint()
	if p >= uint64(len(words)) {
		w.Fail()
		return ""
	}
	return words[p]
}

func (w *Reader) Resource(words []string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: w.Word(words), Version: w.Word(words), Resource: w.Word(words)}
}

// AppendShared writes how much of last s begins with, and the rest.
func AppendShared(dst []byte, last, s string) []byte {
	n := 0
	for n < len(s) && n < len(last) && s[n] == last[n] {
		n++
	}
	return AppendText(binary.AppendUvarint(dst, uint64(n)), s[n:])
}

func (w *Reader) Shared(last string) string {
	n := w.Uvarint()
	if n > uint64(len(last)) || w.expanded+int(n) > MaxPage {
		w.Fail()
		return ""
	}
	w.expanded += int(n)
	return last[:n] + w.Text()
}
