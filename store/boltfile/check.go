package boltfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Check reports what is wrong with the pages of a file that nobody writes.
func Check(file io.ReaderAt, size int64, report func(error)) {
	if err := checkMetas(file); err != nil {
		report(err)
	}
	if size%PageSize != 0 {
		report(fmt.Errorf("%d bytes are not whole pages: %w", size, ErrPage))
	}
	t, err := Newest(file)
	if err != nil {
		return // checkMetas has said so
	}
	if pages := uint64(size) / PageSize; t.pages > pages {
		report(fmt.Errorf("%d pages, of which %d are there: %w", t.pages, pages, ErrPage))
	}
	if t.freelist != noFreelist {
		report(fmt.Errorf("a list of free pages, which no recording has: %w", ErrPage))
	}
	t.check(report)
}

// checkMetas looks at both meta pages: bbolt gets along with one, but then the
// other was damaged.
func checkMetas(file io.ReaderAt) error {
	var buf [2 * PageSize]byte
	if _, err := file.ReadAt(buf[:], 0); err != nil {
		return fmt.Errorf("read meta pages: %w: %w", err, ErrPage)
	}
	for i := range 2 {
		b := buf[i*PageSize:]
		if _, ok := parseMeta(b); !ok || binary.LittleEndian.Uint64(b) != uint64(i) {
			return fmt.Errorf("meta page %d: %w", i, ErrPage)
		}
	}
	return nil
}

// pageCheck goes through all pages of a tree and is stricter than reading needs
// to be: whatever bbolt would have written otherwise is reported, so that a byte
// that was changed cannot hide in a place that happens not to be read.
type pageCheck struct {
	tree   *Tree
	seen   map[uint64]bool
	report func(error)
}

func (t *Tree) check(report func(error)) {
	c := pageCheck{tree: t, seen: map[uint64]bool{}, report: report}
	root, err := c.once(t.Root)
	if err != nil {
		report(err)
		return
	}
	c.page(root, nil, true, 0)
}

// page checks a page and what is below it; its keys are before the given one, if that is
// not nil. Buckets are only at the top.
func (c *pageCheck) page(p *page, before []byte, top bool, level int) {
	if level > maxLevels {
		c.report(fmt.Errorf("tree without end: %w", ErrPage))
		return
	}
	end := int64(PageHeader + p.Count*elementSize)
	var last []byte
	for i := range p.Count {
		e, err := p.element(i)
		switch {
		case err != nil:
		case e.at != end:
			err = fmt.Errorf("element not where the one before ends: %w", ErrPage)
		case i > 0 && bytes.Compare(e.key, last) <= 0, before != nil && bytes.Compare(e.key, before) >= 0:
			err = fmt.Errorf("keys out of order: %w", ErrPage)
		}
		if err != nil {
			c.report(err)
			return
		}
		last, end = e.key, end+int64(len(e.key))+e.valueSize
		switch {
		case p.flags == branchPage:
			next := before
			if i+1 < p.Count {
				if after, err := p.element(i + 1); err == nil {
					next = after.key
				}
			}
			c.child(e, next, top, level)
		case top:
			c.bucket(p, e, level)
		case e.flags != 0:
			c.report(fmt.Errorf("flags of an element: %w", ErrPage))
		}
	}
	if p.base != 0 && (end+PageSize-1)/PageSize*PageSize != p.size {
		c.report(fmt.Errorf("page larger than what is on it: %w", ErrPage))
	}
}

// once returns the page with the id, which nothing else may lead to.
func (c *pageCheck) once(id uint64) (*page, error) {
	if c.seen[id] {
		return nil, fmt.Errorf("page %d twice: %w", id, ErrPage)
	}
	c.seen[id] = true
	p, err := c.tree.Node(id)
	if err != nil {
		return nil, err
	}
	for over := id + 1; over < id+uint64(p.size/PageSize); over++ {
		if c.seen[over] {
			return nil, fmt.Errorf("page %d twice: %w", over, ErrPage)
		}
		c.seen[over] = true
	}
	return p, nil
}

func (c *pageCheck) child(e element, before []byte, top bool, level int) {
	next, err := c.once(e.child)
	if err != nil {
		c.report(err)
		return
	}
	if first, err := next.element(0); next.Count == 0 || err != nil || !bytes.Equal(first.key, e.key) {
		c.report(fmt.Errorf("page %d does not begin with the key that leads to it: %w", e.child, ErrPage))
	}
	c.page(next, before, top, level+1)
}

func (c *pageCheck) bucket(p *page, e element, level int) {
	value, err := p.value(e)
	if err == nil && (e.flags != bucketElement || len(value) < 16) {
		err = fmt.Errorf("%q is not a bucket: %w", e.key, ErrPage)
	}
	var root *page
	if err == nil {
		if id := binary.LittleEndian.Uint64(value); id != 0 {
			root, err = c.once(id)
		} else {
			root, err = c.tree.inlined(value[16:])
		}
	}
	if err != nil {
		c.report(err)
		return
	}
	c.page(root, nil, false, level+1)
}
