package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"
)

// bucket is a sorted set of keys with values.
type bucket struct {
	tree *tree
	root *page
	list []place // instead of root, in a salvaged file
}

// bucket opens a top-level bucket; it is nil if there is none of that name.
func (t *tree) bucket(name string) (*bucket, error) {
	if t.salvaged != nil {
		return &bucket{tree: t, list: t.salvaged[name]}, nil
	}
	root, err := t.node(t.root)
	if err != nil {
		return nil, err
	}
	top := bucket{tree: t, root: root}
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
	return &bucket{tree: t, root: root}, nil
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
	if b.root == nil {
		n := sort.Search(len(b.list), func(i int) bool { return bytes.Compare(b.list[i].key, key) > 0 })
		if n == 0 {
			return 0, nil, nil, nil
		}
		k, v, err = b.list[n-1].read(b.tree.file)
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
		if p, err = b.tree.node(e.child); err != nil {
			return 0, nil, nil, err
		}
	}
	return 0, nil, nil, fmt.Errorf("tree without end: %w", errPage)
}

// ascend calls visit for every key not before from, in order, until visit
// returns false. A part that cannot be read is reported to visit as an error,
// and the rest goes on.
func (b *bucket) ascend(from []byte, visit func(k, v []byte, err error) bool) {
	if b.root == nil {
		for _, p := range b.list {
			if bytes.Compare(p.key, from) >= 0 && !visit(p.read(b.tree.file)) {
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
		e, err := p.element(i)
		if p.flags == branchPage {
			var next *page
			if err == nil {
				next, err = p.tree.node(e.child)
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
				err = fmt.Errorf("keys out of order: %w", errPage)
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
