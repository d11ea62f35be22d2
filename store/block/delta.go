package block

import (
	"encoding/binary"
	"errors"

	"github.com/svcspy/svcspy/store/encoding"
)

// MaxObject is the most one object may have in bytes; the API server takes 3 MiB.
const MaxObject = 32 << 20

var errDelta = errors.New("delta does not fit its base")

// Differ makes deltas; it keeps its table between calls.
//
// A delta is a sequence of: length of new bytes, the new bytes, length to copy
// from the base, and where from as distance from the end of the copy before;
// the lengths uvarint, the distance varint. The last copy may be missing.
type Differ struct {
	places []int32 // hash of gram bytes of the base: place + 1
}

const (
	gram     = 16 // shortest match that is looked up in the table
	step     = 8  // every step-th place of the base is in the table
	tableLog = 12
)

// delta appends to dst what makes target from base.
func (d *Differ) delta(dst, base, target []byte) []byte {
	var (
		indexed bool
		pending int // start of the bytes not written yet
		from    int // end of the last copy in base
		i       int // place in target
		j       int // place in base if nothing was inserted or removed
	)
	for i < len(target) {
		// Carry on where the base would.
		if n := common(base[min(j, len(base)):], target[i:]); n >= gram || n > 0 && i+n == len(target) || n >= 4 && i == pending {
			dst = d.emit(dst, target[pending:i], n, j-from)
			i, j = i+n, j+n
			pending, from = i, j
			continue
		}
		// A value replaced by one as long as the old.
		if shift := resync(base, target, i, j); shift > 0 {
			i, j = i+shift, j+shift
			n := common(base[j:], target[i:])
			dst = d.emit(dst, target[pending:i], n, j-from)
			i, j = i+n, j+n
			pending, from = i, j
			continue
		}
		if !indexed {
			d.learn(base)
			indexed = true
		}
		at, place := d.lookup(base, target, i)
		if place < 0 {
			break
		}
		// Extend backwards into what is still pending.
		for at > pending && place > 0 && target[at-1] == base[place-1] {
			at, place = at-1, place-1
		}
		n := common(base[place:], target[at:])
		dst = d.emit(dst, target[pending:at], n, place-from)
		i, j = at+n, place+n
		pending, from = i, j
	}
	if pending < len(target) {
		dst = binary.AppendUvarint(dst, uint64(len(target)-pending))
		dst = append(dst, target[pending:]...)
	}
	return dst
}

func (d *Differ) emit(dst, literal []byte, n, distance int) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(literal)))
	dst = append(dst, literal...)
	dst = binary.AppendUvarint(dst, uint64(n))
	return binary.AppendVarint(dst, int64(distance))
}

// resync looks a little ahead for where both go on alike, and returns how far
// that is, 0 if it is not near.
func resync(base, target []byte, i, j int) int {
	const ahead = 24
	for s := 1; s <= ahead && i+s+8 <= len(target) && j+s+8 <= len(base); s++ {
		if binary.LittleEndian.Uint64(target[i+s:]) == binary.LittleEndian.Uint64(base[j+s:]) {
			return s
		}
	}
	return 0
}

// learn fills the table with the places of the base.
func (d *Differ) learn(base []byte) {
	if d.places == nil {
		d.places = make([]int32, 1<<tableLog)
	}
	clear(d.places)
	for p := 0; p+gram <= len(base); p += step {
		d.places[gramHash(base[p:])] = int32(p + 1)
	}
}

// lookup finds the next place in target, from i on, that has a match in base;
// place is -1 if there is none.
func (d *Differ) lookup(base, target []byte, i int) (at, place int) {
	for ; i+gram <= len(target); i++ {
		p := int(d.places[gramHash(target[i:])]) - 1
		if p >= 0 && binary.LittleEndian.Uint64(base[p:]) == binary.LittleEndian.Uint64(target[i:]) &&
			binary.LittleEndian.Uint64(base[p+8:]) == binary.LittleEndian.Uint64(target[i+8:]) {
			return i, p
		}
	}
	return i, -1
}

// gramHash mixes the first gram bytes of b.
func gramHash(b []byte) uint32 {
	h := binary.LittleEndian.Uint64(b)*0x9E3779B185EBCA87 ^ binary.LittleEndian.Uint64(b[8:])*0xC2B2AE3D27D4EB4F
	return uint32(h * 0x9E3779B185EBCA87 >> (64 - tableLog))
}

// common returns how many bytes a and b begin with alike.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			for ; a[i] == b[i]; i++ {
			}
			return i
		}
	}
	for ; i < n && a[i] == b[i]; i++ {
	}
	return i
}

// patch returns what delta made of base, in a slice of its own.
func patch(base, delta []byte) ([]byte, error) {
	size, err := patchedSize(delta)
	if err != nil {
		return nil, err
	}
	target := make([]byte, 0, size)
	w := encoding.Reader{Data: delta}
	from := int64(0)
	for len(w.Data) > 0 {
		target = append(target, w.Take(w.Count(1))...)
		if len(w.Data) == 0 {
			break
		}
		n := w.Uvarint()
		from += w.Varint()
		if w.Bad || from < 0 || from > int64(len(base)) || n > uint64(int64(len(base))-from) {
			return nil, errDelta
		}
		target = append(target, base[from:from+int64(n)]...)
		from += int64(n)
	}
	if w.Bad {
		return nil, errDelta
	}
	return target, nil
}

// patchedSize returns how long the delta's target is, so that a crafted delta
// cannot make it longer than any object may be.
func patchedSize(delta []byte) (int, error) {
	w := encoding.Reader{Data: delta}
	size := uint64(0)
	for len(w.Data) > 0 {
		size += uint64(len(w.Take(w.Count(1))))
		if len(w.Data) == 0 {
			break
		}
		n := w.Uvarint()
		w.Varint()
		if n > MaxObject {
			return 0, errDelta
		}
		if size += n; size > MaxObject {
			return 0, errDelta
		}
	}
	if w.Bad {
		return 0, errDelta
	}
	return int(size), nil
}
