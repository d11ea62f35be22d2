package redact

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
)

// memory holds what was made of the values that were judged last: the same ones
// stand in every version of an object. It holds so many of them, and none that is
// long. Its methods may be called from several goroutines.
type memory struct {
	slots [1 << 12]atomic.Pointer[judgement]
}

// longestJudgement bounds what is remembered; of what is longer than shortJudgement,
// fewer are, so that all of it together takes no more than some 12 MiB.
const (
	shortJudgement   = 512
	longestJudgement = 4 << 10
	longJudgements   = 1 << 10
)

type judgement struct {
	hash      uint64
	namespace string
	name, in  []byte
	out       []byte // nil if it stays
}

func (m *memory) slot(kind byte, namespace string, name, in []byte) (*atomic.Pointer[judgement], uint64) {
	var h maphash.Hash
	h.SetSeed(nameSeed)
	h.WriteByte(kind)
	h.WriteString(namespace)
	h.WriteByte(0)
	h.Write(name)
	h.WriteByte(0)
	h.Write(in)
	sum := h.Sum64()
	n := len(m.slots)
	if len(in) > shortJudgement {
		n = longJudgements
	}
	return &m.slots[sum%uint64(n)], sum
}

// judge returns what f makes of a value, or what it made of it before.
func (m *memory) judge(kind byte, namespace string, name, in []byte, f func() []byte) (out []byte, changed bool) {
	if len(in) > longestJudgement {
		out = f()
		return out, !bytes.Equal(out, in)
	}
	slot, sum := m.slot(kind, namespace, name, in)
	if known := slot.Load(); known != nil && known.hash == sum && known.namespace == namespace && bytes.Equal(known.name, name) && bytes.Equal(known.in, in) {
		if known.out == nil {
			return in, false
		}
		return known.out, true
	}
	out = f()
	known := &judgement{hash: sum, namespace: namespace, name: bytes.Clone(name), in: bytes.Clone(in)}
	if changed = !bytes.Equal(out, in); changed {
		known.out = bytes.Clone(out)
	}
	slot.Store(known)
	return out, changed
}
