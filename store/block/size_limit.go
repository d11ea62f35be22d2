package block

import (
	"fmt"
	"sync"

	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/rawjson"
)

// SizeLimit bounds what the objects of a recording unpack to. Whoever shows
// what a cluster was holds one version of each object, and often several copies
// of it, so a small file must neither hold an object that is huge nor many that
// are large. In a real recording a Pod takes a hundredth of its JSON or more: it
// differs from its siblings in names, addresses and times.
type SizeLimit struct {
	Size func() (int64, error) // of the file

	mu        sync.Mutex
	sizes     map[event.Ref]int // the largest version of each object over largeObject
	sum       int
	exhausted bool
}

const (
	hugeObject  = 8 << 20  // bytes up to which an object is always read; the API server takes 3 MiB
	hugeRatio   = 100      // and bytes of it for each of the file
	largeObject = 16 << 10 // bytes from which objects are counted, and their nesting is checked
	maxLarge    = 32 << 20 // bytes of them that are always read
	largeRatio  = 500      // and bytes of them for each of the file
	spareObject = 1 << 20  // bytes up to which objects are read when no more large ones are
)

// check says before the object of an entry is decoded whether it may be as large
// as it is.
func (l *SizeLimit) check(b *Block, i int) error {
	if err := l.allow(int(b.Entries[i].size)); err != nil || b.Entries[i].Tag&TagDelta == 0 {
		return err // without its section being unpacked
	}
	_, body, err := b.body(i)
	if err != nil {
		return err
	}
	size, err := patchedSize(body)
	if err != nil {
		return err
	}
	return l.allow(size)
}

// allow says before an object is decoded whether it may be that large.
func (l *SizeLimit) allow(size int) error {
	if size <= spareObject {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.exhausted {
		return l.refuse(size)
	}
	if size <= hugeObject {
		return nil
	}
	if most, err := l.most(0, hugeRatio); err != nil || size > most {
		return l.refuse(size)
	}
	return nil
}

// admit counts the object of an event, or refuses it.
func (l *SizeLimit) admit(e *event.Event) error {
	if len(e.Object) < largeObject || !e.IsObject() {
		return nil
	}
	// The API server refuses JSON that is nested deeper than encoding/json reads, so
	// nobody recorded such an object. It takes 20 KB at least to write one.
	text := rawjson.Cursor{Text: e.Object}
	if text.Skip(); text.Err() != nil {
		return &event.DamageError{What: "object", Err: text.Err()}
	}
	ref := e.Ref()
	l.mu.Lock()
	defer l.mu.Unlock()
	more := len(e.Object) - l.sizes[ref]
	if more <= 0 {
		return nil
	}
	if l.sum+more > maxLarge {
		if most, err := l.most(maxLarge, largeRatio); err != nil || l.sum+more > most {
			l.exhausted = true
			return l.refuse(len(e.Object))
		}
	}
	if l.sizes == nil {
		l.sizes = map[event.Ref]int{}
	}
	l.sizes[ref] = len(e.Object)
	l.sum += more
	return nil
}

// most returns how many bytes are read of a file of that size.
func (l *SizeLimit) most(free int, ratio int64) (int, error) {
	size, err := l.Size()
	if err != nil {
		return 0, err
	}
	return free + int(ratio*size), nil
}

func (l *SizeLimit) refuse(size int) error {
	return &event.DamageError{What: "object", Err: fmt.Errorf("%d bytes: the file is too small to hold objects that large: %w", size, event.ErrTooLarge)}
}
