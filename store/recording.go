package store

import (
	"context"
	"encoding/json"
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
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Recording reads a recording from its file, also while another process writes
// it. All methods may be called concurrently.
type Recording struct {
	path string
	file *os.File
	at   fileAt

	mu     sync.RWMutex
	txid   uint64 // transaction up to which the rest is known
	info   Info
	kinds  []Kind
	live   bool // somebody holds the file for writing
	runs   []*run
	tail   *index // what is not in a run yet
	parts  []part // runs, tail
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
	r := &Recording{path: path, file: file, at: fileAt{file}, tail: newIndex()}
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

// damage tells a file that is no bbolt file at all from a damaged one.
func (r *Recording) damage(err error) error {
	if errors.Is(err, errPage) {
		if r.txid == 0 {
			return fmt.Errorf("%w: %w", ErrNotRecording, err)
		}
		return &DamageError{What: "file", Err: err}
	}
	return err
}

// refresh takes up what was written since the last time.
func (r *Recording) refresh() error {
	var txid uint64
	var info Info
	var kinds []Kind
	var runs []*run
	var trails []*trail
	var again bool // the runs must be read again
	err := r.at.view(func(t *tree) (err error) {
		txid, runs, trails, again = t.txid, nil, nil, false
		if txid == r.txid {
			return nil
		}
		if info, kinds, err = readInfo(t); err != nil {
			return err
		}
		if trails, err = readTrails(t, r.info.Last+1); err != nil {
			return err
		}
		if next := r.info.Last + 1; info.Last >= next && (r.txid == 0 || len(trails) == 0 || trails[0].first != next) {
			again = true
			if runs, err = r.at.runs(t); err != nil {
				return err
			}
			after := Seq(1)
			if len(runs) > 0 {
				after = runs[len(runs)-1].last + 1
			}
			trails, err = readTrails(t, after)
		}
		return err
	})
	if err != nil || txid == r.txid {
		return r.damage(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.txid, r.info, r.kinds = txid, info, kinds
	if again {
		r.runs, r.tail, r.ticks, r.ledger = runs, newIndex(), nil, ledger{}
		for _, run := range runs {
			r.ticks = append(r.ticks, run.ticks...)
			for _, c := range run.ledger {
				r.ledger.add(c)
			}
		}
	}
	for _, t := range trails {
		for i := range t.changes {
			r.tail.add(&t.changes[i])
		}
		for _, c := range t.ledger {
			r.ledger.add(c)
		}
		r.ticks = append(r.ticks, tick{t.first, time.UnixMicro(t.times[0]).UTC()})
	}
	r.parts = []part{}
	for _, run := range r.runs {
		r.parts = append(r.parts, run)
	}
	r.parts = append(r.parts, r.tail)
	return nil
}

// readTrails reads the trails of the positions from one on.
func readTrails(t *tree, from Seq) ([]*trail, error) {
	var trails []*trail
	err := t.values(bucketTrail, seqKey(from), func(_, v []byte) error {
		one, err := parseTrail(v)
		trails = append(trails, one)
		return err
	})
	if err != nil {
		err = &DamageError{What: "trail", Err: err}
	}
	return trails, err
}

// readInfo reads the head of the file.
func readInfo(t *tree) (Info, []Kind, error) {
	head, err := t.bucket(bucketHead)
	if err != nil {
		return Info{}, nil, &DamageError{What: "head", Err: err}
	}
	if head == nil {
		return Info{}, nil, ErrNotRecording
	}
	read := func(key string, into func([]byte) error) error {
		v, err := t.value(bucketHead, []byte(key))
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
		return Info{}, nil, err
	}
	if !known {
		return Info{}, nil, ErrNotRecording
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
		return Info{}, nil, err
	}
	if err := readDiscovery(t, &h); err != nil {
		return Info{}, nil, err
	}
	if closing != nil {
		return closing.info(h), closing.Kinds, nil
	}
	return end.info(h), end.Kinds, nil
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

// Kinds returns how much there is of each resource, sorted by resource.
func (r *Recording) Kinds() []Kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.kinds)
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
		later := sort.Search(len(b.entries), func(i int) bool { return b.entries[i].seq >= from && b.entries[i].time > t.UnixMicro() })
		if later < len(b.entries) {
			return min(b.entries[later].seq-1, last), nil
		}
		from = b.last() + 1
	}
	return last, nil
}

// TimeOf returns the time of a position.
func (r *Recording) TimeOf(seq Seq) (time.Time, error) {
	b, err := r.block(seq)
	if err != nil {
		return time.Time{}, err
	}
	i, ok := b.place(seq)
	if !ok {
		return time.Time{}, fmt.Errorf("read position %d: %w", seq, ErrNotEvent)
	}
	return b.timeOf(i), nil
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
			i, _ := b.place(from)
			for ; i < len(b.entries) && b.entries[i].seq <= to; i++ {
				if !b.entries[i].told() {
					continue
				}
				e, err := d.event(b.entries[i].seq)
				if err != nil {
					err = fmt.Errorf("read event %d: %w", b.entries[i].seq, err)
				}
				if !yield(e, err) {
					return
				}
			}
			from = b.last() + 1
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
	return find(r.parts, &q, at)
}

// History returns the positions of all versions of the object up to the
// position, oldest first, of whatever UID.
func (r *Recording) History(ref Ref, at Seq) ([]Seq, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return history(r.parts, ref, at)
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
