package boltfile

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"github.com/svcspy/svcspy/store/encoding"
)

// place is where a value lies in a file whose tree cannot be trusted.
type place struct {
	key  []byte
	at   int64
	size int
}

func (p place) Read(file io.ReaderAt) (k, v []byte, err error) {
	v = make([]byte, p.size)
	_, err = file.ReadAt(v, p.at)
	return p.key, v, err
}

// Salvage looks for values on every page of the file, without the tree. Each
// carries a checksum over its place and bytes, so what is found is right; but it
// may be old, if it was replaced and its page not used again. That does no harm:
// blocks about the same positions say the same, and the index is made anew from
// them.
func Salvage(file io.ReaderAt, size int64) *Tree {
	s := salvager{file: file, size: size, found: map[string]map[string]place{}, budget: 32*size + 1<<20}
	head := make([]byte, PageSize)
	for at := int64(2 * PageSize); at < size; at += PageSize {
		n, _ := file.ReadAt(head, at)
		s.page(head[:n], at)
		// Small buckets lie within the page of the one above.
		for i := PageHeader; i+PageHeader+elementSize <= n; i++ {
			if binary.LittleEndian.Uint64(head[i:]) == 0 && binary.LittleEndian.Uint16(head[i+8:]) == leafPage {
				s.page(head[i:n], at+int64(i))
			}
		}
	}
	t := &Tree{file: file, pages: uint64(size / PageSize), Salvaged: map[string][]place{}}
	for name, places := range s.found {
		t.Salvaged[name] = slices.SortedFunc(maps.Values(places), func(a, b place) int { return bytes.Compare(a.key, b.key) })
	}
	return t
}

type salvager struct {
	file   io.ReaderAt
	size   int64
	found  map[string]map[string]place // by bucket and key
	budget int64                       // bytes to look at yet, so that a crafted file ends
}

// page takes what is on a page if that is a leaf. The header is not trusted: how
// many elements there are follows from where the first one's data begin, too.
func (s *salvager) page(b []byte, at int64) {
	if len(b) < PageHeader+elementSize {
		return
	}
	le := binary.LittleEndian
	if le.Uint64(b) != uint64(at/PageSize) && le.Uint16(b[8:]) != leafPage {
		return
	}
	n := max(int(le.Uint16(b[10:])), int(min(le.Uint32(b[PageHeader+4:])/elementSize, PageSize)))
	for i := range min(n, (len(b)-PageHeader)/elementSize) {
		e := b[PageHeader+i*elementSize:]
		keyAt := at + int64(PageHeader+i*elementSize) + int64(le.Uint32(e[4:]))
		keySize, valueSize := int64(le.Uint32(e[8:])), int64(le.Uint32(e[12:]))
		if keySize > 64 || keyAt+keySize+valueSize > s.size || valueSize > s.budget {
			continue
		}
		s.budget -= valueSize
		key := make([]byte, keySize)
		if _, err := s.file.ReadAt(key, keyAt); err == nil {
			s.take(place{key, keyAt + keySize, int(valueSize)})
		}
	}
}

// take keeps a value if it is one.
func (s *salvager) take(p place) {
	k, v, err := p.Read(s.file)
	if err != nil {
		return
	}
	for _, name := range append(slices.Clone(encoding.Buckets), encoding.BucketMarks) {
		if _, err := encoding.TrimSum(name, k, v); err != nil {
			continue
		}
		if s.found[name] == nil {
			s.found[name] = map[string]place{}
		}
		// Of blocks that begin alike the longer was rolled later; of other
		// values the last found is as good as any.
		if old, ok := s.found[name][string(k)]; !ok || p.size >= old.size {
			s.found[name][string(k)] = p
		}
	}
}
