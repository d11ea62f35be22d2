package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"sort"
)

// Tree is one transaction's view of a bbolt file, read through plain reads.
// bbolt itself would map the file and lock it: then a file that is being
// recorded could not be read, a truncated one would end the process with
// SIGBUS, and a damaged one panic. While another process writes, the pages of a
// transaction stay as they are until the second one after it, see fileAt.view.
// Layout: https://pkg.go.dev/go.etcd.io/bbolt/internal/common.
type Tree struct {
	file  io.ReaderAt
	pages uint64 // pages beyond were not in use
	Root  uint64
	TxID  uint64
	// freelist is the page of the list of free pages, noFreelist if there is none.
	freelist uint64
	// salvaged, if set, is where the values are instead, by bucket.
	Salvaged map[string][]place
}

const (
	PageSize    = 4096 // recordings are written with this on every system
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSize    = 64
	noFreelist  = ^uint64(0)

	branchPage = 0x01
	leafPage   = 0x02
	metaPage   = 0x04

	bucketElement = 0x01

	PageHeader  = 16
	elementSize = 16
	maxLevels   = 32
)

// ErrPage is wrapped by everything wrong in the page structure.
var ErrPage = errors.New("damaged page")

// Newest returns the view of the last complete transaction: that of the valid
// meta page, of two, with the higher transaction.
func Newest(file io.ReaderAt) (*Tree, error) {
	var buf [PageSize + PageHeader + metaSize]byte
	if _, err := file.ReadAt(buf[:], 0); err != nil {
		return nil, fmt.Errorf("read meta pages: %w: %w", err, ErrPage)
	}
	var best *Tree
	for _, at := range []int{0, PageSize} {
		if t, ok := parseMeta(buf[at:]); ok && (best == nil || t.TxID > best.TxID) {
			best = t
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no valid meta page: %w", ErrPage)
	}
	best.file = file
	return best, nil
}

// parseMeta reads a meta page.
func parseMeta(b []byte) (*Tree, bool) {
	le := binary.LittleEndian
	flags, m := le.Uint16(b[8:]), b[PageHeader:]
	sum := fnv.New64a()
	sum.Write(m[:56])
	if flags != metaPage || le.Uint32(m) != metaMagic || le.Uint32(m[4:]) != metaVersion ||
		le.Uint32(m[8:]) != PageSize || le.Uint64(m[56:]) != sum.Sum64() {
		return nil, false
	}
	return &Tree{Root: le.Uint64(m[16:]), freelist: le.Uint64(m[32:]), pages: le.Uint64(m[40:]), TxID: le.Uint64(m[48:])}, true
}

// page is a node of the tree: a page on disk, or one inlined in a bucket's value.
type page struct {
	tree  *Tree
	flags uint16
	Count int
	head  []byte // the first page, or the whole of an inlined one
	base  int64  // offset of the node in the file, if it goes on behind head
	size  int64
}

// Node reads the page with the id.
func (t *Tree) Node(id uint64) (*page, error) {
	if id < 2 || id >= t.pages {
		return nil, fmt.Errorf("page %d of %d: %w", id, t.pages, ErrPage)
	}
	head := make([]byte, PageSize)
	at := int64(id) * PageSize
	if _, err := t.file.ReadAt(head, at); err != nil {
		return nil, fmt.Errorf("read page %d: %w: %w", id, err, ErrPage)
	}
	le := binary.LittleEndian
	overflow := uint64(le.Uint32(head[12:]))
	if le.Uint64(head) != id || id+overflow >= t.pages {
		return nil, fmt.Errorf("page %d: wrong header: %w", id, ErrPage)
	}
	p := &page{tree: t, flags: le.Uint16(head[8:]), Count: int(le.Uint16(head[10:])), head: head, base: at, size: int64(1+overflow) * PageSize}
	return p, p.validate(id)
}

// inlined reads the page in a bucket's value.
func (t *Tree) inlined(b []byte) (*page, error) {
	if len(b) < PageHeader {
		return nil, fmt.Errorf("inlined page: %w", ErrPage)
	}
	p := &page{tree: t, flags: binary.LittleEndian.Uint16(b[8:]), Count: int(binary.LittleEndian.Uint16(b[10:])), head: b, size: int64(len(b))}
	if p.flags != leafPage {
		return nil, fmt.Errorf("inlined page: %w", ErrPage)
	}
	return p, p.validate(0)
}

func (p *page) validate(id uint64) error {
	if p.flags != leafPage && p.flags != branchPage || p.flags == branchPage && p.Count == 0 ||
		int64(PageHeader+p.Count*elementSize) > p.size {
		return fmt.Errorf("page %d: wrong header: %w", id, ErrPage)
	}
	return nil
}

// span returns n bytes at the offset in the node; they must not be changed.
func (p *page) span(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > p.size || n > p.size-at {
		return nil, fmt.Errorf("element outside its page: %w", ErrPage)
	}
	if at+n <= int64(len(p.head)) {
		return p.head[at : at+n : at+n], nil
	}
	b := make([]byte, n)
	if _, err := p.tree.file.ReadAt(b, p.base+at); err != nil {
		return nil, fmt.Errorf("read page: %w: %w", err, ErrPage)
	}
	return b, nil
}

// element is an entry of a page.
type element struct {
	at        int64 // where its key begins in the node
	flags     uint32
	key       []byte
	valueSize int64  // on a leaf; the value follows the key
	child     uint64 // on a branch
}

// element returns the i-th element.
func (p *page) element(i int) (element, error) {
	at := int64(PageHeader + i*elementSize)
	b, err := p.span(at, elementSize)
	if err != nil {
		return element{}, err
	}
	le := binary.LittleEndian
	var e element
	var size uint32
	if p.flags == branchPage {
		e.at, size, e.child = at+int64(le.Uint32(b)), le.Uint32(b[4:]), le.Uint64(b[8:])
	} else {
		e.flags, e.at, size, e.valueSize = le.Uint32(b), at+int64(le.Uint32(b[4:])), le.Uint32(b[8:]), int64(le.Uint32(b[12:]))
	}
	e.key, err = p.span(e.at, int64(size))
	return e, err
}

// value returns the value of an element of a leaf.
func (p *page) value(e element) ([]byte, error) {
	return p.span(e.at+int64(len(e.key)), e.valueSize)
}

// floor returns the place of the last element whose key is not after key, -1 if
// there is none.
func (p *page) floor(key []byte) (int, error) {
	var failed error
	n := sort.Search(p.Count, func(i int) bool {
		e, err := p.element(i)
		if err != nil {
			failed = err
		}
		return err != nil || bytes.Compare(e.key, key) > 0
	})
	return n - 1, failed
}
