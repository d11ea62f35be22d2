package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sort"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/index"
)

// Recording reads a recording from its file, also while another process writes
// it. All methods may be called concurrently.
type Recording struct {
	path  string // "" if it is not a file of that name
	file  io.ReaderAt
	size  func() (int64, error) // of the file, now
	close func() error
	at    boltfile.File

	failed func() error // why nothing more can be read; nil for a file

	// updating is held while what is known is replaced: while it is refreshed,
	// or made anew because the file is damaged. It comes before mu.
	updating sync.Mutex

	mu     sync.RWMutex
	txid   uint64 // transaction up to which the rest is known
	info   Info
	kinds  []Kind
	live   bool // somebody holds the file for writing
	runs   []*index.Segment
	tail   *index.Index // what is not in a run yet
	parts  []index.Part // runs, tail
	ledger index.Ledger
	ticks  []index.Tick

	broken  error // why the tree was given up
	rebuilt bool  // the index was made anew from the events

	blocks block.Cache
	made   block.ObjectCache
	large  block.SizeLimit
}

func (r *Recording) decoding() *block.Decoder {
	return &block.Decoder{Read: r.block, Objects: &r.made, Limit: &r.large}
}

// source returns where values are read from.
func (r *Recording) source() boltfile.File {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.at
}

// Open opens a recording for reading. One that was not sealed opens too: what
// was committed is there, and Info.Closed is false. While it is still being
// written, Wait follows it.
func Open(path string) (*Recording, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	r := newRecording(file, func() (int64, error) { return fileSize(file) })
	r.path, r.close = path, file.Close
	if err := r.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("open recording %s: %w", path, err), file.Close())
	}
	return r, nil
}

// remoteCache is how many bytes OpenReaderAt keeps of what it read.
const remoteCache = 16 << 20

// OpenReaderAt opens a recording of size bytes that is read through from, which
// may be used concurrently and must not change: one that is written can only be
// followed in its file. Each read of from is of 256 KiB or more, and 16 MiB of what
// was read are kept. After a read that failed nothing more is read, and whatever
// needs it fails: see SourceError. Close does not close from.
func OpenReaderAt(from io.ReaderAt, size int64) (*Recording, error) {
	cache := boltfile.NewCache(from, size, remoteCache)
	r := newRecording(cache, func() (int64, error) { return size, nil })
	r.close, r.failed = func() error { return nil }, cache.Err
	if err := r.begin(); err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	return r, nil
}

func newRecording(from io.ReaderAt, size func() (int64, error)) *Recording {
	r := &Recording{file: from, size: size, at: boltfile.File{ReaderAt: from}, tail: index.NewIndex()}
	r.large.Size = size
	return r
}

// begin reads what is known of the recording without its events.
func (r *Recording) begin() error {
	err := r.created()
	if err == nil && !r.info.Closed {
		// The order matters: what was written before the file was released is
		// seen by the refresh after it.
		r.live = r.path != "" && inUse(r.path)
		err = r.refresh()
		r.live = r.live && !r.info.Closed
	}
	if err != nil {
		err = r.salvage(err)
	}
	return err
}

// A file that is being created is looked at every createdEvery, createdTries
// times while somebody holds it, and emptyTries times while it is empty: there
// is a moment before its creator holds it.
const (
	createdEvery = 20 * time.Millisecond
	createdTries = 500
	emptyTries   = 25
)

// created is refresh for a file that may be in the middle of its creation: it
// waits until the first transaction is complete.
func (r *Recording) created() error {
	err := r.refresh()
	for try := 0; r.path != "" && err != nil && try < createdTries; try++ {
		// The order matters: who creates the file holds it before anything is in it.
		bare, empty := r.bare(), r.empty()
		if !bare || !inUse(r.path) && (try >= emptyTries || !empty) {
			return r.refresh() // what is there now may be newer than the error
		}
		time.Sleep(createdEvery)
		err = r.refresh()
	}
	return err
}

// bare reports whether no transaction has put anything into the file yet.
func (r *Recording) bare() bool {
	t, err := boltfile.Newest(r.file)
	if err != nil {
		return true
	}
	root, err := t.Node(t.Root)
	return err == nil && root.Count == 0
}

// fileSize returns how many bytes the file has now.
func fileSize(file *os.File) (int64, error) {
	st, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// empty reports whether nothing was written to the file yet.
func (r *Recording) empty() bool {
	size, err := r.size()
	return err == nil && size == 0
}

// inUse reports whether a process has the file open for writing.
func inUse(path string) bool {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Nanosecond, NoStatistics: true})
	if err == nil {
		err = db.Close()
	}
	return errors.Is(err, bbolterrors.ErrTimeout)
}

// Close closes the file. No other method may be called after it.
func (r *Recording) Close() error { return r.close() }

// Info returns the header and the end as it was known when the recording was
// opened, or when Wait last returned.
func (r *Recording) Info() Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.info
}

// Damage returns why the file could not be read as it is, so that what could be
// was put together anew: something may be missing without a gap in the ledger.
// It is nil for a file that was found in order; only Verify reads all of it.
func (r *Recording) Damage() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.broken == nil {
		return nil
	}
	return &DamageError{What: "file", Err: r.broken}
}

// SourceError returns why what the recording is read through (OpenReaderAt) could
// not be read; answers since then rest on less than there is. It is nil for a file.
func (r *Recording) SourceError() error {
	if r.failed == nil {
		return nil
	}
	return r.failed()
}

// Size returns how many bytes the recording has now.
func (r *Recording) Size() (int64, error) { return r.size() }

// Kinds returns how much there is of each resource, sorted by resource.
func (r *Recording) Kinds() []Kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.kinds)
}

// SeqAt returns the last position at or before t, 0 if t is before all.
func (r *Recording) SeqAt(t time.Time) (Seq, error) {
	r.mu.RLock()
	n := sort.Search(len(r.ticks), func(i int) bool { return r.ticks[i].Time.After(t) })
	if n == 0 {
		r.mu.RUnlock()
		return 0, nil
	}
	from, last := r.ticks[n-1].Seq, r.info.Last
	if n < len(r.ticks) {
		last = r.ticks[n].Seq - 1
	}
	r.mu.RUnlock()
	found := from // last may be a hole
	for from <= last {
		b, err := r.block(from)
		if err != nil {
			return 0, err
		}
		later := sort.Search(len(b.Entries), func(i int) bool {
			return b.Entries[i].Seq > last || b.Entries[i].Seq >= from && b.Entries[i].Time > t.UnixMicro()
		})
		if later > 0 {
			found = b.Entries[later-1].Seq
		}
		if later < len(b.Entries) {
			break
		}
		from = b.Last() + 1
	}
	return found, nil
}

// TimeOf returns the time of a position. In a recording that was cut down to
// some subjects, a position that was left out has the time of the last one
// before it.
func (r *Recording) TimeOf(seq Seq) (time.Time, error) {
	b, err := r.block(seq)
	if err != nil {
		return time.Time{}, err
	}
	i, ok := b.Place(seq)
	if !ok {
		if i == 0 && r.sparse() {
			if b, err = r.blockBefore(seq); err != nil {
				return time.Time{}, err
			}
			i, _ = b.Place(seq)
		}
		if i == 0 || !r.sparse() {
			return time.Time{}, fmt.Errorf("read position %d: %w", seq, ErrNotEvent)
		}
		i--
	}
	return b.TimeOf(i), nil
}

// sparse reports whether positions may be missing without anything being lost.
func (r *Recording) sparse() bool { return r.Info().Source != nil }

// Event returns the event at seq, or ErrNotEvent.
func (r *Recording) Event(seq Seq) (Event, error) {
	e, err := r.decoding().Event(seq)
	if err != nil {
		return Event{}, fmt.Errorf("read event %d: %w", seq, err)
	}
	return e, nil
}

// Events yields the events with from <= Seq <= to in order. After an error it
// goes on behind the block that cannot be read.
func (r *Recording) Events(from, to Seq) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		d := r.decoding()
		from, to := max(from, 1), min(to, r.Info().Last)
		for from <= to {
			b, err := r.block(from)
			if err != nil {
				if !yield(Event{}, err) {
					return
				}
				from = r.behind(from, err)
				continue
			}
			i, _ := b.Place(from)
			for ; i < len(b.Entries) && b.Entries[i].Seq <= to; i++ {
				if !b.Entries[i].IsEvent() {
					continue
				}
				e, err := d.EventIn(b, b.Entries[i].Seq)
				if err != nil {
					err = fmt.Errorf("read event %d: %w", b.Entries[i].Seq, err)
				}
				if !yield(e, err) {
					return
				}
			}
			from = b.Last() + 1
		}
	}
}

// Ledger returns the coverage changes with from <= Seq <= to in order.
func (r *Recording) Ledger(from, to Seq) ([]Coverage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ledger.Between(from, to), nil
}

// Find returns the positions of the versions current at the position, of the
// objects that match, ordered by namespace and name.
func (r *Recording) Find(q Query, at Seq) ([]Seq, error) {
	var found []Seq
	err := r.mended(func() (err error) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		found, err = index.Find(r.parts, &q, at)
		return err
	})
	return found, err
}

// History returns the positions of all versions of the object up to the
// position, oldest first, of whatever UID.
func (r *Recording) History(ref Ref, at Seq) ([]Seq, error) {
	var found []Seq
	err := r.mended(func() (err error) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		found, err = index.History(r.parts, ref, at)
		return err
	})
	return found, err
}

// Coverage returns what is in force for the resource in the namespace at the
// position.
func (r *Recording) Coverage(resource schema.GroupVersionResource, namespace string, at Seq) (Coverage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ledger.At(resource, namespace, at), nil
}

// followEvery is how often a recording that is being written is looked at.
const followEvery = 100 * time.Millisecond

// Wait blocks until there is something after the position, or returns io.EOF
// if there will be nothing more, or the error of ctx. It looks at the file
// several times a second as long as somebody writes it.
func (r *Recording) Wait(ctx context.Context, after Seq) error {
	for {
		r.mu.RLock()
		last, live := r.info.Last, r.live
		r.mu.RUnlock()
		if last > after {
			return nil
		}
		if !live {
			return io.EOF
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followEvery):
		}
		used := inUse(r.path) // before the refresh, as in begin
		if err := r.refresh(); err != nil {
			return fmt.Errorf("follow recording: %w", err)
		}
		r.mu.Lock()
		r.live = used && !r.info.Closed
		r.mu.Unlock()
	}
}

// Touched returns the positions with from <= Seq <= to, in order, at which what
// Find returns for the query may change; perhaps some more.
func (r *Recording) Touched(q Query, from, to Seq) ([]Seq, error) {
	var found []Seq
	err := r.mended(func() (err error) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		found, err = index.Touched(r.parts, &q, from, to)
		return err
	})
	return found, err
}
