package redact

import (
	"hash/maphash"
	"sync/atomic"
)

// knownNames are the names of objects that were recorded. They stay where they
// are values: they can be read in the recording anyway.
//
// What was not known when it was first asked for stays unknown: otherwise the
// same value would be a token in one version of an object and stand in the clear
// in the next, and look like a change.
type knownNames struct {
	known, denied hashSet
}

var nameSeed = maphash.MakeSeed()

func (k *knownNames) learn(name []byte) {
	if len(name) < 2 || len(name) > 253 || k.denied.full.Load() {
		return
	}
	k.known.add(maphash.Bytes(nameSeed, name))
}

// knows reports whether a value is a name that was known when it was first
// asked for.
func (k *knownNames) knows(value []byte) bool {
	h := maphash.Bytes(nameSeed, value)
	if k.denied.has(h) {
		return false
	}
	if k.known.has(h) {
		return true
	}
	k.denied.add(h)
	return false
}

// hashSet is a set of hashes of bounded size that only grows. Its methods may be
// called from several goroutines.
type hashSet struct {
	slots [1 << 16]atomic.Uint64
	full  atomic.Bool // something could not be added
}

// probes is how many slots may hold a hash.
const probes = 16

func (s *hashSet) has(h uint64) bool {
	h |= 1 // 0 is an empty slot
	for i := range uint64(probes) {
		switch s.slots[(h>>1+i)%uint64(len(s.slots))].Load() {
		case h:
			return true
		case 0:
			return false
		}
	}
	return false
}

func (s *hashSet) add(h uint64) {
	h |= 1
	for i := range uint64(probes) {
		slot := &s.slots[(h>>1+i)%uint64(len(s.slots))]
		if slot.CompareAndSwap(0, h) || slot.Load() == h {
			return
		}
	}
	s.full.Store(true)
}
