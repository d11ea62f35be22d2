package store

import (
	"encoding/binary"
	"hash/crc32"
)

// wire reads numbers and strings from untrusted bytes. After the first thing
// that is not there, every read returns zero values and bad is set.
type wire struct {
	data []byte
	bad  bool
	// expanded is how many bytes were made by repeating what had been there.
	expanded int
}

func (w *wire) uvarint() uint64 {
	if len(w.data) > 0 && w.data[0] < 0x80 { // most are that small, and there are millions
		v := w.data[0]
		w.data = w.data[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(w.data)
	if n <= 0 {
		w.fail()
		return 0
	}
	w.data = w.data[n:]
	return v
}

// uvarints reads as many numbers as fit.
func (w *wire) uvarints(into []uint64) {
	d := w.data
	for i := range into {
		switch {
		case len(d) > 0 && d[0] < 0x80:
			into[i], d = uint64(d[0]), d[1:]
		case len(d) > 1 && d[1] < 0x80:
			into[i], d = uint64(d[0]&0x7f)|uint64(d[1])<<7, d[2:]
		default:
			v, n := binary.Uvarint(d)
			if n <= 0 {
				clear(into[i:])
				w.fail()
				return
			}
			into[i], d = v, d[n:]
		}
	}
	w.data = d
}

func (w *wire) varint() int64 {
	v, n := binary.Varint(w.data)
	if n <= 0 {
		w.fail()
		return 0
	}
	w.data = w.data[n:]
	return v
}

// count reads a number of items that take at least size bytes each, and fails
// if they cannot be there, so that nobody allocates for them.
func (w *wire) count(size int) int {
	n := w.uvarint()
	if n > uint64(len(w.data)/size) {
		w.fail()
		return 0
	}
	return int(n)
}

// countUpTo is count for items of which there are never more than most.
func (w *wire) countUpTo(most, size int) int {
	n := w.count(size)
	if n > most {
		w.fail()
		return 0
	}
	return n
}

// counts reads n numbers of items of which each takes at least size bytes
// behind the numbers.
func (w *wire) counts(n, size int) []int {
	all := make([]int, n)
	sum := 0
	for i := range all {
		all[i] = w.count(size)
		if sum += all[i]; sum > len(w.data)/size {
			w.fail()
			return nil
		}
	}
	if sum > len(w.data)/size {
		w.fail()
		return nil
	}
	return all
}

// take returns the next n bytes; they alias the input.
func (w *wire) take(n int) []byte {
	if n < 0 || n > len(w.data) {
		w.fail()
		return nil
	}
	b := w.data[:n:n]
	w.data = w.data[n:]
	return b
}

// text reads a string with its length in front.
func (w *wire) text() string { return string(w.take(w.count(1))) }

func (w *wire) byte() byte {
	if b := w.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (w *wire) uint32() uint32 {
	if b := w.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (w *wire) uint64() uint64 {
	if b := w.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (w *wire) fail() { w.bad, w.data = true, nil }

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers the place of a value besides its bytes, so that values
// cannot change places unnoticed.
func checksum(bucket string, key, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(bucket))
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, value)
}

// key reads a position from a key.
func (w *wire) key() uint64 {
	if b := w.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// runID reads the number of a run from a key.
func (w *wire) runID() uint32 {
	if b := w.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}
