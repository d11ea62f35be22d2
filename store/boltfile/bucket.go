package boltfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"
)

// Bucket is a sorted set of keys with values.
type Bucket struct {
	tree *Tree
	root *page
	list []place // instead of root, in a salvaged file
}

// Bucket opens a top-level bucket; it is nil if there is none of that name.
func (t *Tree) Bucket(name string) (*Bucket, error) {
	if t.Salvaged != nil {
		return &Bucket{tree: t, list: t.Salvaged[name]}, nil
	}
	root, err := t.Node(t.Root)
	if err != nil {
		return nil, err
	}
	top := Bucket{tree: t, root: root}
	flags, key, value, err := top.last([]byte(name))
	if err != nil || string(key) != name {
		return nil, err
	}
	if flags&bucketElement == 0 || len(value) < 16 {
		return nil, fmt.Errorf("%s is not a bucket: %w", name, ErrPage)
	}
	if id := binary.LittleEndian.Uint64(value); id != 0 {
		root, err = t.Node(id)
	} else {
		root, err = t.inlined(value[16:])
	}
	if err != nil {
		return nil, err
	}
	return &Bucket{tree: t, root: root}, nil
}

// Floor returns the last key that is not after key, with its value; a nil key
// if there is none.
func (b *Bucket) Floor(key []byte) (k, v []byte, err error) {
	_, k, v, err = b.last(key)
	return k, v, err
}

// get returns the value of a key, nil if it is not there.
func (b *Bucket) get(key []byte) ([]byte, error) {
	k, v, err := b.Floor(key)
	if err != nil || !bytes.Equal(k, key) {
		return nil, err
	}
	return v, nil
}

func (b *Bucket) last(key []byte) (flags uint32, k, v []byte, err error) {
	if b.root == nil {
		n := sort.Search(len(b.list), func(i int) bool { return bytes.Compare(b.list[i].key, key) > 0 })
		if n == 0 {
			return 0, nil, nil, nil
		}
		k, v, err = b.list[n-1].Read(b.tree.file)
		return 0, k, v, err
	}
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
			e, err := p.element(i)
			if err != nil {
				return 0, nil, nil, err
			}
			v, err := p.value(e)
			return e.flags, e.key, v, err
		}
		if i < 0 {
			return 0, nil, nil, nil // a branch begins with its first child's first key
		}
		e, err := p.element(i)
		if err != nil {
			return 0, nil, nil, err
		}
		if p, err = b.tree.Node(e.child); err != nil {
			return 0, nil, nil, err
		}
	}
	return 0, nil, nil, fmt.Errorf("tree without end: %w", ErrPage)
}

// Ascend calls visit for every key not before from, in order, until visit
// returns false. A part that cannot be read is reported to visit as an error,
// and the rest goes on.
func (b *Bucket) Ascend(from []byte, visit func(k, v []byte, err error) bool) {
	if b.root == nil {
		for _, p := range b.list {
			if bytes.Compare(p.key, from) >= 0 && !visit(p.Read(b.tree.file)) {
				return
			}
		}
		return
	}
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
		w.visit(nil, nil, fmt.Errorf("tree without end: %w", ErrPage))
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
	for i := first; i < p.Count; i++ {
		e, err := p.element(i)
		if p.flags == branchPage {
			var next *page
			if err == nil {
				next, err = p.tree.Node(e.child)
			}
			if err == nil {
				if !w.down(next, level+1) {
					return false
				}
				continue
			}
		} else if err == nil {
			if bytes.Compare(e.key, w.from) < 0 {
				continue
			}
			var value []byte
			if w.last != nil && bytes.Compare(e.key, w.last) <= 0 {
				err = fmt.Errorf("keys out of order: %w", ErrPage)
			} else if value, err = p.value(e); err == nil {
				w.last = bytes.Clone(e.key)
				if !w.visit(e.key, value, nil) {
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
