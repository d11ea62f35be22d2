package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"sort"
)

// pages reads the pages of a bbolt file through plain reads. bbolt itself would
// map the file and lock it: then a file that is being recorded could not be
// read, a truncated one would end the process with SIGBUS, and a damaged one
// panic. Layout: https://pkg.go.dev/go.etcd.io/bbolt/internal/common.
type pages struct {
	file io.ReaderAt
}

// tree is one transaction's view of a file: the pages reachable from its meta
// page. While another process writes, its pages stay as they are until the
// second transaction after it, see Recording.view.
type tree struct {
	file     io.ReaderAt
	pageSize int64
	pages    uint64 // pages beyond were not in use
	root     uint64
	txid     uint64
}

const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSize    = 16 + 64 // page header, meta

	branchPage = 0x01
	leafPage   = 0x02
	metaPage   = 0x04

	bucketElement = 0x01

	pageHeader  = 16
	elementSize = 16
	maxLevels   = 32
)

// errPage is wrapped by everything wrong in the page structure.
var errPage = errors.New("damaged page")

// newest returns the view of the last complete transaction.
func (p *pages) newest() (*tree, error) {
	var buf [metaSize]byte
	var best *tree
	// The second meta page follows the first, whatever size pages have.
	for _, at := range []int64{0, 1 << 12, 1 << 10, 1 << 11, 1 << 13, 1 << 14, 1 << 15, 1 << 16} {
		if _, err := p.file.ReadAt(buf[:], at); err != nil {
			continue
		}
		t, ok := parseMeta(buf[:], at)
		if !ok {
			continue
		}
		t.file = p.file
		if best == nil || t.txid > best.txid {
			best = t
		}
		if at != 0 {
			return best, nil
		}
		if second := t.pageSize; second != 1<<12 {
			if _, err := p.file.ReadAt(buf[:], second); err == nil {
				if t, ok := parseMeta(buf[:], second); ok && t.txid > best.txid {
					t.file, best = p.file, t
				}
			}
			return best, nil
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no valid meta page: %w", errPage)
	}
	return best, nil
}

// parseMeta reads a meta page at the offset.
func parseMeta(b []byte, at int64) (*tree, bool) {
	le := binary.LittleEndian
	flags, m := le.Uint16(b[8:]), b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(m[:56])
	if flags != metaPage || le.Uint32(m) != metaMagic || le.Uint32(m[4:]) != metaVersion || le.Uint64(m[56:]) != sum.Sum64() {
		return nil, false
	}
	size := int64(le.Uint32(m[8:]))
	if size < 1<<10 || size > 1<<16 || size&(size-1) != 0 || at != 0 && at != size {
		return nil, false
	}
	return &tree{pageSize: size, root: le.Uint64(m[16:]), pages: le.Uint64(m[40:]), txid: le.Uint64(m[48:])}, true
}

// page is a node of the tree: a page on disk, or one inlined in a bucket's value.
type page struct {
	tree  *tree
	flags uint16
	count int
	head  []byte // the first page, or the whole of an inlined one
	base  int64  // offset of the node in the file, if it goes on behind head
	size  int64
}

// node reads the page with the id.
func (t *tree) node(id uint64) (*page, error) {
	if id < 2 || id >= t.pages {
		return nil, fmt.Errorf("page %d of %d: %w", id, t.pages, errPage)
	}
	head := make([]byte, t.pageSize)
	at := int64(id) * t.pageSize
	if _, err := t.file.ReadAt(head, at); err != nil {
		return nil, fmt.Errorf("read page %d: %w: %w", id, err, errPage)
	}
	le := binary.LittleEndian
	overflow := uint64(le.Uint32(head[12:]))
	if le.Uint64(head) != id || id+overflow >= t.pages {
		return nil, fmt.Errorf("page %d: wrong header: %w", id, errPage)
	}
	p := &page{tree: t, flags: le.Uint16(head[8:]), count: int(le.Uint16(head[10:])), head: head, base: at, size: int64(1+overflow) * t.pageSize}
	return p, p.validate(id)
}

// inlined reads the page in a bucket's value.
func (t *tree) inlined(b []byte) (*page, error) {
	if len(b) < pageHeader {
		return nil, fmt.Errorf("inlined page: %w", errPage)
	}
	p := &page{tree: t, flags: binary.LittleEndian.Uint16(b[8:]), count: int(binary.LittleEndian.Uint16(b[10:])), head: b, size: int64(len(b))}
	if p.flags != leafPage {
		return nil, fmt.Errorf("inlined page: %w", errPage)
	}
	return p, p.validate(0)
}

func (p *page) validate(id uint64) error {
	if p.flags != leafPage && p.flags != branchPage || p.flags == branchPage && p.count == 0 ||
		int64(pageHeader+p.count*elementSize) > p.size {
		return fmt.Errorf("page %d: wrong header: %w", id, errPage)
	}
	return nil
}

// span returns n bytes at the offset in the node; they must not be changed.
func (p *page) span(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > p.size || n > p.size-at {
		return nil, fmt.Errorf("element outside its page: %w", errPage)
	}
	if at+n <= int64(len(p.head)) {
		return p.head[at : at+n : at+n], nil
	}
	b := make([]byte, n)
	if _, err := p.tree.file.ReadAt(b, p.base+at); err != nil {
		return nil, fmt.Errorf("read page: %w: %w", err, errPage)
	}
	return b, nil
}

// element returns where the i-th element's key and value are.
func (p *page) element(i int) (flags uint32, key []byte, valueAt, valueSize int64, child uint64, err error) {
	at := int64(pageHeader + i*elementSize)
	b, err := p.span(at, elementSize)
	if err != nil {
		return 0, nil, 0, 0, 0, err
	}
	le := binary.LittleEndian
	if p.flags == branchPage {
		key, err = p.span(at+int64(le.Uint32(b)), int64(le.Uint32(b[4:])))
		return 0, key, 0, 0, le.Uint64(b[8:]), err
	}
	keyAt, keySize := at+int64(le.Uint32(b[4:])), int64(le.Uint32(b[8:]))
	key, err = p.span(keyAt, keySize)
	return le.Uint32(b), key, keyAt + keySize, int64(le.Uint32(b[12:])), 0, err
}

// floor returns the place of the last element whose key is not after key, -1 if
// there is none.
func (p *page) floor(key []byte) (int, error) {
	var failed error
	n := sort.Search(p.count, func(i int) bool {
		_, k, _, _, _, err := p.element(i)
		if err != nil {
			failed = err
		}
		return err != nil || bytes.Compare(k, key) > 0
	})
	return n - 1, failed
}

// bucket is a sorted set of keys with values.
type bucket struct {
	tree *tree
	root *page
}

// bucket opens a top-level bucket; it is nil if there is none of that name.
func (t *tree) bucket(name string) (*bucket, error) {
	root, err := t.node(t.root)
	if err != nil {
		return nil, err
	}
	top := bucket{t, root}
	flags, key, value, err := top.last([]byte(name))
	if err != nil || string(key) != name {
		return nil, err
	}
	if flags&bucketElement == 0 || len(value) < 16 {
		return nil, fmt.Errorf("%s is not a bucket: %w", name, errPage)
	}
	if id := binary.LittleEndian.Uint64(value); id != 0 {
		root, err = t.node(id)
	} else {
		root, err = t.inlined(value[16:])
	}
	if err != nil {
		return nil, err
	}
	return &bucket{t, root}, nil
}

// floor returns the last key that is not after key, with its value; a nil key
// if there is none.
func (b *bucket) floor(key []byte) (k, v []byte, err error) {
	_, k, v, err = b.last(key)
	return k, v, err
}

// get returns the value of a key, nil if it is not there.
func (b *bucket) get(key []byte) ([]byte, error) {
	k, v, err := b.floor(key)
	if err != nil || !bytes.Equal(k, key) {
		return nil, err
	}
	return v, nil
}

func (b *bucket) last(key []byte) (flags uint32, k, v []byte, err error) {
	p := b.root
	for range maxLevels {
		i, err := p.floor(key)
		if err != nil {
			return 0, nil, nil, err
		}
		if p.flags == leafPage {
			if i < 0 {
				return 0, nil, nil, nil
			}
			flags, k, at, size, _, err := p.element(i)
			if err != nil {
				return 0, nil, nil, err
			}
			v, err := p.span(at, size)
			return flags, k, v, err
		}
		if i < 0 {
			return 0, nil, nil, nil // a branch begins with its first child's first key
		}
		_, _, _, _, child, err := p.element(i)
		if err != nil {
			return 0, nil, nil, err
		}
		if p, err = b.tree.node(child); err != nil {
			return 0, nil, nil, err
		}
	}
	return 0, nil, nil, fmt.Errorf("tree without end: %w", errPage)
}

// ascend calls visit for every key not before from, in order, until visit
// returns false. A part that cannot be read is reported to visit as an error,
// and the rest goes on.
func (b *bucket) ascend(from []byte, visit func(k, v []byte, err error) bool) {
	w := walk{from: from, visit: visit, budget: 2*b.tree.pages + 16}
	w.down(b.root, 0)
}

// walk is one pass over a bucket. Keys must grow and pages are counted, so that
// a tree that leads back into itself ends.
type walk struct {
	from   []byte
	last   []byte
	visit  func(k, v []byte, err error) bool
	budget uint64
}

func (w *walk) down(p *page, level int) bool {
	if w.budget == 0 || level > maxLevels {
		w.visit(nil, nil, fmt.Errorf("tree without end: %w", errPage))
		return false
	}
	w.budget--
	first := 0
	if w.from != nil {
		i, err := p.floor(w.from)
		if err == nil {
			first = max(i, 0)
		}
	}
	for i := first; i < p.count; i++ {
		_, key, at, size, child, err := p.element(i)
		if p.flags == branchPage {
			var next *page
			if err == nil {
				next, err = p.tree.node(child)
			}
			if err == nil {
				if !w.down(next, level+1) {
					return false
				}
				continue
			}
		} else if err == nil {
			if bytes.Compare(key, w.from) < 0 {
				continue
			}
			var value []byte
			if w.last != nil && bytes.Compare(key, w.last) <= 0 {
				err = fmt.Errorf("keys out of order: %w", errPage)
			} else if value, err = p.span(at, size); err == nil {
				w.last = bytes.Clone(key)
				if !w.visit(key, value, nil) {
					return false
				}
				continue
			}
		}
		if !w.visit(nil, nil, err) {
			return false
		}
	}
	return true
}
