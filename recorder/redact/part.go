package redact

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"
)

// parts holds what was made of the parts of objects that were walked last: most of
// an object is the same in its next version and in its siblings. A part is an
// object or a list inside of one. Of those that stay as they are it holds a keyed
// hash of 64 bits, of others the text; all of it together takes no more than some
// 16 MiB. Its methods may be called from several goroutines.
//
// That the same part is judged once changes nothing: what stays does so because
// of its shape, or because it is a name that is known, and names are never
// forgotten (knownNames).
type parts struct {
	kept    [1 << 16]atomic.Uint64
	changed [1 << 10]atomic.Pointer[changedPart]
}

// changedPart is a part of which something was replaced.
type changedPart struct {
	hash     uint64
	place    string // the namespace: tokens are not the same in another
	in, out  []byte
	replaced [rules]uint32
}

const (
	shortestPart = 48      // shorter ones are walked as fast as they are looked up
	longestPart  = 8 << 10 // of which something was replaced
	deepestPart  = 4       // objects around it: each looks for the end of its parts
)

// part is a part that is being walked.
type part struct {
	asked         bool
	hash          uint64
	start, end    int
	out, copied   int // the state of the walk when it began
	replacedSoFar [rules]uint32
	renamed       bool
}

// surroundings are what decides, beside its text, what is made of a part.
type surroundings uint8

const (
	inMetadata surroundings = 1 << iota
	amongAmounts
	inRequirement
	besideSecret
	withRenamed
	inList
	inFields
)

// begin looks a part up that starts at the cursor. If it is known, begin consumes
// it and returns true. Otherwise the caller walks it and calls end.
func (w *walk) begin(key, parent []byte, around surroundings) (p part, known bool) {
	b := w.c.Peek()
	if b != '{' && b != '[' || w.depth > deepestPart || w.alone {
		return p, false
	}
	p = part{start: w.c.At, end: w.c.Extent(), out: len(w.out), copied: w.copied, replacedSoFar: w.replaced, renamed: w.renamed}
	text := w.c.Text[p.start:p.end]
	if len(text) < shortestPart {
		return p, false
	}
	if w.meta {
		around |= inMetadata
	}
	if w.amounts {
		around |= amongAmounts
	}
	p.asked = true
	p.hash = w.hash(text, key, parent, around)
	memory := &w.p.parts
	if memory.kept[p.hash%uint64(len(memory.kept))].Load() == p.hash {
		w.c.At = p.end
		return p, true
	}
	c := memory.changed[p.hash%uint64(len(memory.changed))].Load()
	if c == nil || c.hash != p.hash || c.place != w.place(placeText).namespace || !bytes.Equal(c.in, text) {
		return p, false
	}
	w.out = append(append(w.out, w.c.Text[w.copied:p.start]...), c.out...)
	w.c.At, w.copied = p.end, p.end
	for r, n := range c.replaced {
		w.replaced[r] += n
	}
	return p, true
}

// end remembers what was made of a part.
func (w *walk) end(p part) {
	if !p.asked || w.c.Err() != nil || w.c.At != p.end || w.renamed != p.renamed {
		return
	}
	memory := &w.p.parts
	if w.copied == p.copied {
		memory.kept[p.hash%uint64(len(memory.kept))].Store(p.hash)
		return
	}
	out := w.out[p.out+p.start-p.copied:]
	rest := w.c.Text[w.copied:p.end]
	if p.end-p.start > longestPart || len(out)+len(rest) > longestPart {
		return
	}
	c := &changedPart{hash: p.hash, place: w.place(placeText).namespace, in: bytes.Clone(w.c.Text[p.start:p.end]), out: append(bytes.Clone(out), rest...)}
	for r := range c.replaced {
		c.replaced[r] = w.replaced[r] - p.replacedSoFar[r]
	}
	memory.changed[p.hash%uint64(len(memory.changed))].Store(c)
}

func (w *walk) hash(text, key, parent []byte, around surroundings) uint64 {
	var space [256]byte
	b := binary.LittleEndian.AppendUint64(space[:0], maphash.Bytes(nameSeed, text))
	b = append(b, byte(w.depth), byte(around))
	b = append(append(append(b, w.resource.Group...), 0), w.resource.Resource...)
	b = append(append(append(b, 0), parent...), 0)
	b = append(b, key...)
	return maphash.Bytes(nameSeed, b) | 1 // 0 is an empty slot
}
