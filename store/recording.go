package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sort"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Recording reads a recording from its file, also while another process writes
// it. All methods may be called concurrently.
type Recording struct {
	path string
	file *os.File

	mu     sync.RWMutex
	txid   uint64 // transaction up to which the rest is known
	info   Info
	live   bool // somebody holds the file for writing
	index  *index
	ledger ledger
	ticks  []tick

	blocks blockCache
}

// tick is when the recorder was at a position. Between two ticks the times are
// in the blocks.
type tick struct {
	seq  Seq
	time time.Time
}

// Open opens a recording for reading. One that was not sealed opens too: what
// was committed is there, and Info.Closed is false. While it is still being
// written, Wait follows it.
func Open(path string) (*Recording, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	r := &Recording{path: path, file: file, index: newIndex()}
	r.live = inUse(path)
	if err := r.refresh(); err != nil {
		return nil, errors.Join(fmt.Errorf("open recording %s: %w", path, err), file.Close())
	}
	r.live = r.live && !r.info.Closed
	return r, nil
}

// inUse reports whether a process has the file open for writing.
func inUse(path string) bool {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Nanosecond, NoStatistics: true})
	if err == nil {
		err = db.Close()
	}
	return errors.Is(err, bbolt.ErrTimeout)
}

// Close closes the file. No other method may be called after it.
func (r *Recording) Close() error { return r.file.Close() }

// attempts is how often a read that a writer got in the way of is repeated.
const attempts = 100

// view calls read with the last complete transaction of the file. A writer in
// another process does not wait for it, but leaves the pages of a transaction
// alone until the next one is complete: only the one after that may use them
// again. So what was read holds if no transaction was completed meanwhile;
// otherwise it is read again.
func (r *Recording) view(read func(t *tree) error) error {
	p := pages{r.file}
	for range attempts {
		before, err := p.newest()
		if err != nil {
			return r.damage(err)
		}
		err = read(before)
		after, again := p.newest()
		if again != nil {
			return r.damage(again)
		}
		if before.txid == after.txid {
			return err
		}
	}
	return fmt.Errorf("it is written faster than it can be read: %w", ErrInUse)
}

// damage tells a file that is no bbolt file at all from a damaged one.
func (r *Recording) damage(err error) error {
	if r.txid == 0 {
		return fmt.Errorf("%w: %w", ErrNotRecording, err)
	}
	return &DamageError{What: "file", Err: err}
}

// value reads a value and checks it; nil if it is not there.
func value(t *tree, bucketName string, key []byte) ([]byte, error) {
	b, err := t.bucket(bucketName)
	if b == nil || err != nil {
		return nil, err
	}
	v, err := b.get(key)
	if v == nil || err != nil {
		return nil, err
	}
	return trimSum(bucketName, key, v)
}

// refresh takes up what was written since the last time.
func (r *Recording) refresh() error {
	var info Info
	var trails []*trail
	var txid uint64
	err := r.view(func(t *tree) (err error) {
		txid = t.txid
		trails = nil
		if txid == r.txid {
			return nil
		}
		if info, err = readInfo(t); err != nil {
			return err
		}
		b, err := t.bucket(bucketTrail)
		if b == nil || err != nil {
			return err
		}
		b.ascend(seqKey(r.info.Last+1), func(k, v []byte, failed error) bool {
			if failed == nil {
				v, failed = trimSum(bucketTrail, k, v)
			}
			var one *trail
			if failed == nil {
				one, failed = parseTrail(v)
			}
			if failed != nil {
				err = &DamageError{What: "trail", Err: failed}
				return false
			}
			trails = append(trails, one)
			return true
		})
		return err
	})
	if err != nil || txid == r.txid {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.txid, r.info = txid, info
	for _, t := range trails {
		for i := range t.changes {
			r.index.add(&t.changes[i])
		}
		for _, c := range t.ledger {
			r.ledger.add(c)
		}
		r.ticks = append(r.ticks, tick{t.first, time.UnixMicro(t.times[0]).UTC()})
	}
	return nil
}

// readInfo reads the head of the file.
func readInfo(t *tree) (Info, error) {
	head, err := t.bucket(bucketHead)
	if err != nil {
		return Info{}, &DamageError{What: "head", Err: err}
	}
	if head == nil {
		return Info{}, ErrNotRecording
	}
	read := func(key string, into func([]byte) error) error {
		v, err := value(t, bucketHead, []byte(key))
		if err == nil && v != nil {
			err = into(v)
		}
		if err != nil && !errors.Is(err, ErrNotRecording) && !errors.Is(err, ErrVersion) {
			err = &DamageError{What: key, Err: err}
		}
		return err
	}
	known := false
	if err := read(keyFormat, func(v []byte) error { known = true; return checkFormat(v) }); err != nil {
		return Info{}, err
	}
	if !known {
		return Info{}, ErrNotRecording
	}
	var h Header
	var end ending
	var closing *seal
	err = errors.Join(
		read(keyHeader, func(v []byte) (err error) { h, err = decodeHeader(v); return err }),
		read(keyEnd, func(v []byte) error { return json.Unmarshal(v, &end) }),
		read(keySeal, func(v []byte) error { return json.Unmarshal(v, &closing) }),
	)
	if err != nil {
		return Info{}, err
	}
	if err := readDiscovery(t, &h); err != nil {
		return Info{}, err
	}
	if closing != nil {
		return closing.info(h), nil
	}
	return end.info(h), nil
}

// readDiscovery reads the last discovery document.
func readDiscovery(t *tree, h *Header) error {
	b, err := t.bucket(bucketDiscovery)
	if b == nil || err != nil {
		return err
	}
	k, v, err := b.floor(seqKey(^Seq(0)))
	if k == nil || err != nil {
		return err
	}
	if v, err = trimSum(bucketDiscovery, k, v); err != nil {
		return &DamageError{What: "discovery", Err: err}
	}
	raw, err := decompressor.DecodeAll(v, make([]byte, 0, min(1000*len(v), maxSection)))
	if err == nil {
		h.Resources, err = decodeDiscovery(raw)
	}
	if err != nil {
		return &DamageError{What: "discovery", Err: err}
	}
	return nil
}

// Info returns the header and the end as it was known when the recording was
// opened, or when Wait last returned.
func (r *Recording) Info() Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.info
}

// SeqAt returns the last position at or before t, 0 if t is before all.
func (r *Recording) SeqAt(t time.Time) (Seq, error) {
	r.mu.RLock()
	n := sort.Search(len(r.ticks), func(i int) bool { return r.ticks[i].time.After(t) })
	if n == 0 {
		r.mu.RUnlock()
		return 0, nil
	}
	from, last := r.ticks[n-1].seq, r.info.Last
	if n < len(r.ticks) {
		last = r.ticks[n].seq - 1
	}
	r.mu.RUnlock()
	for from <= last {
		b, err := r.block(from)
		if err != nil {
			return 0, err
		}
		skip := int(from - b.first)
		within := b.entries[skip:]
		if n := sort.Search(len(within), func(i int) bool { return within[i].time > t.UnixMicro() }); n < len(within) {
			return min(from+Seq(n)-1, last), nil
		}
		from = b.end()
	}
	return last, nil
}

// TimeOf returns the time of a position.
func (r *Recording) TimeOf(seq Seq) (time.Time, error) {
	b, err := r.block(seq)
	if err != nil {
		return time.Time{}, err
	}
	return b.timeOf(int(seq - b.first)), nil
}

// Event returns the event at seq, or ErrNotEvent.
func (r *Recording) Event(seq Seq) (Event, error) {
	d := decoding{r: r}
	e, err := d.event(seq)
	if err != nil {
		return Event{}, fmt.Errorf("read event %d: %w", seq, err)
	}
	return e, nil
}

// Events yields the events with from <= Seq <= to in order. After an error it
// goes on behind the block that cannot be read.
func (r *Recording) Events(from, to Seq) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		d := decoding{r: r}
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
			d.enter(b)
			for end := min(b.end(), to+1); from < end; from++ {
				if b.entries[from-b.first].tag&tagType == tagCoverage {
					continue
				}
				e, err := d.event(from)
				if err != nil {
					err = fmt.Errorf("read event %d: %w", from, err)
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// Ledger returns the coverage changes with from <= Seq <= to in order.
func (r *Recording) Ledger(from, to Seq) ([]Coverage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ledger.between(from, to), nil
}

// Find returns the positions of the versions current at the position, of the
// objects that match, ordered by namespace and name.
func (r *Recording) Find(q Query, at Seq) ([]Seq, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.index.find(q, at), nil
}

// History returns the positions of all versions of the object up to the
// position, oldest first, of whatever UID.
func (r *Recording) History(ref Ref, at Seq) ([]Seq, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	o := r.index.object(ref)
	if o == nil {
		return nil, nil
	}
	var seqs []Seq
	for _, v := range o.versions[:o.count(at)] {
		seqs = append(seqs, v.seq)
	}
	return seqs, nil
}

// Coverage returns what is in force for the resource in the namespace at the
// position.
func (r *Recording) Coverage(resource schema.GroupVersionResource, namespace string, at Seq) (Coverage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ledger.at(resource, namespace, at), nil
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
		// The order matters: what was written before the file was released is
		// seen by the refresh after it.
		used := inUse(r.path)
		if err := r.refresh(); err != nil {
			return fmt.Errorf("follow recording: %w", err)
		}
		r.mu.Lock()
		r.live = used && !r.info.Closed
		r.mu.Unlock()
	}
}
