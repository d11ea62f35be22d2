package encoding

import (
	"encoding/binary"
	"hash/crc32"
)

// Reader reads numbers and strings from untrusted bytes. After the first thing
// that is not there, every read returns zero values and bad is set.
type Reader struct {
	Data []byte
	Bad  bool
	// expanded is how many bytes were made by repeating what had been there.
	expanded int
}

func (w *Reader) Uvarint() uint64 {
	if len(w.Data) > 0 && w.Data[0] < 0x80 { // most are that small, and there are millions
		v := w.Data[0]
		w.Data = w.Data[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(w.Data)
	if n <= 0 {
		w.Fail()
		return 0
	}
	w.Data = w.Data[n:]
	return v
}

// Uvarints reads as many numbers as fit.
func (w *Reader) Uvarints(into []uint64) {
	d := w.Data
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
				w.Fail()
				return
			}
			into[i], d = v, d[n:]
		}
	}
	w.Data = d
}

func (w *Reader) Varint() int64 {
	v, n := binary.Varint(w.Data)
	if n <= 0 {
		w.Fail()
		return 0
	}
	w.Data = w.Data[n:]
	return v
}

// Count reads a number of items that take at least size bytes each, and fails
// if they cannot be there, so that nobody allocates for them.
func (w *Reader) Count(size int) int {
	n := w.Uvarint()
	if n > uint64(len(w.Data)/size) {
		w.Fail()
		return 0
	}
	return int(n)
}

// CountUpTo is count for items of which there are never more than most.
func (w *Reader) CountUpTo(most, size int) int {
	n := w.Count(size)
	if n > most {
		w.Fail()
		return 0
	}
	return n
}

// Counts reads n numbers of items of which each takes at least size bytes
// behind the numbers.
func (w *Reader) Counts(n, size int) []int {
	all := make([]int, n)
	sum := 0
	for i := range all {
		all[i] = w.Count(size)
		if sum += all[i]; sum > len(w.Data)/size {
			w.Fail()
			return nil
		}
	}
	if sum > len(w.Data)/size {
		w.Fail()
		return nil
	}
	return all
}

// Take returns the next n bytes; they alias the input.
func (w *Reader) Take(n int) []byte {
	if n < 0 || n > len(w.Data) {
		w.Fail()
		return nil
	}
	b := w.Data[:n:n]
	w.Data = w.Data[n:]
	return b
}

// Text reads a string with its length in front.
func (w *Reader) Text() string { return string(w.Take(w.Count(1))) }

func (w *Reader) Byte() byte {
	if b := w.Take(1); b != nil {
		return b[0]
	}
	return 0
}

func (w *Reader) Uint32() uint32 {
	if b := w.Take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (w *Reader) Uint64() uint64 {
	if b := w.Take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (w *Reader) Fail() { w.Bad, w.Data = true, nil }

func AppendText(dst []byte, s string) []byte {
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

// Key reads a position from a key.
func (w *Reader) Key() uint64 {
	if b := w.Take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// SegmentID reads the number of a run from a key.
func (w *Reader) SegmentID() uint32 {
	if b := w.Take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}
