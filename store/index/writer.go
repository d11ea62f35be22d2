package index

import (
	"fmt"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"

	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
)

// Limits are the sizes at which the index moves on.
type Limits struct {
	MaxVersions int // in memory before they become a run
	MaxTrails   int // in the file before they become a run
	FanIn       int // runs of one tier before they are merged
	Batch       int // bytes of pages written in one transaction
}

var UsualLimits = Limits{MaxVersions: 1 << 15, MaxTrails: 512, FanIn: 8, Batch: 4 << 20}

const (
	tickEvery = 1024 // positions between two ticks of a run
	lastTier  = 1000 // of a run of everything
)

// Writer writes the index of a recording: what was committed since the last
// run is in memory (and as trails in the file); from time to time that becomes
// a run, and many runs become one.
type Writer struct {
	DB      *bbolt.DB
	File    boltfile.File
	Encoder *zstd.Encoder
	Limits

	Segments []*Segment
	nextID   uint32
	From     event.Seq // where time begins; what lies before is only carried over

	Tail   *Index
	trails []event.Seq // keys in the file
	last   event.Seq
	times  [2]int64
	ticks  []Tick
	ledger []event.Coverage
}

// Take adds what a commit made durable.
func (x *Writer) Take(t *Commit) {
	if len(x.trails) == 0 {
		x.times[0] = t.Times[0]
	}
	x.trails = append(x.trails, t.First)
	x.last, x.times[1] = t.First+event.Seq(t.Count)-1, t.Times[1]
	if t.Begin >= x.From {
		x.ticks = append(x.ticks, Tick{t.Begin, time.UnixMicro(t.Times[0]).UTC()})
	}
	for i := range t.Changes {
		x.Tail.Add(&t.Changes[i])
	}
	x.ledger = append(x.ledger, t.Ledger...)
}

// Settle makes a run of the tail if that has grown large, and one of many runs.
func (x *Writer) Settle() error {
	if x.Tail.Size < x.MaxVersions && len(x.trails) < x.MaxTrails {
		return nil
	}
	if err := x.merge(nil, 0, nil); err != nil {
		return err
	}
	for {
		n := len(x.Segments)
		if n < x.FanIn || x.Segments[n-x.FanIn].tier != x.Segments[n-1].tier {
			return nil
		}
		if err := x.merge(x.Segments[n-x.FanIn:], x.Segments[n-1].tier+1, nil); err != nil {
			return err
		}
	}
}

// Finish makes one run of everything.
func (x *Writer) Finish() error {
	if len(x.Segments) == 1 && len(x.trails) == 0 || len(x.Segments)+len(x.trails) == 0 {
		return nil
	}
	return x.merge(x.Segments, lastTier, nil)
}

// Cut is what goes when the positions before first do.
type Cut struct {
	First  event.Seq
	Time   time.Time                // of first
	Ledger []event.Coverage         // coverage in force at first, which stays
	Also   func(tx *bbolt.Tx) error // done in the transaction that makes it so
}

// Cut makes one run of everything but what lies before first. Versions that are
// current there stay.
func (x *Writer) Cut(c Cut) error { return x.merge(x.Segments, lastTier, &c) }

// merge makes one run of the last runs, which are given, and the tail. Pages
// are written in several transactions; until the last one, which writes the
// head and removes what the run replaces, nothing refers to them.
func (x *Writer) merge(old []*Segment, tier int, c *Cut) error {
	r := &Segment{ID: x.nextID, tier: tier}
	x.nextID++
	var sources []Source
	var ticks []Tick
	for i, o := range old {
		if i == 0 {
			r.First, r.Times[0] = o.First, o.Times[0]
		}
		r.Last, r.Times[1] = o.Last, o.Times[1]
		ticks = append(ticks, o.Ticks...)
		r.Ledger = append(r.Ledger, o.Ledger...)
		sources = append(sources, o)
	}
	if len(x.trails) > 0 {
		if len(old) == 0 {
			r.First, r.Times[0] = x.trails[0], x.times[0]
		}
		r.Last, r.Times[1] = x.last, x.times[1]
		ticks = append(ticks, x.ticks...)
		r.Ledger = append(r.Ledger, x.ledger...)
		sources = append(sources, x.Tail)
	}
	also := noMore
	if c != nil {
		r.cut, also = c.First, c.Also
		ticks = slices.DeleteFunc(ticks, func(t Tick) bool { return t.Seq <= c.First })
		ticks = slices.Insert(ticks, 0, Tick{c.First, c.Time})
		r.Ledger = slices.DeleteFunc(r.Ledger, func(l event.Coverage) bool { return l.Seq < c.First })
		r.Ledger = append(slices.Clone(c.Ledger), r.Ledger...)
	}
	r.Ticks = thin(ticks)
	if err := x.write(r, sources, old, also); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	x.Segments = append(x.Segments[:len(x.Segments)-len(old):len(x.Segments)-len(old)], r)
	if len(x.trails) > 0 {
		x.Tail, x.trails, x.ticks, x.ledger = NewIndex(), nil, nil, nil
	}
	return nil
}

func noMore(*bbolt.Tx) error { return nil }

// thin drops ticks that are close to others.
func thin(ticks []Tick) []Tick {
	var kept []Tick
	for _, t := range ticks {
		if n := len(kept); n == 0 || t.Seq >= kept[n-1].Seq+tickEvery {
			kept = append(kept, t)
		}
	}
	return kept
}

func (x *Writer) write(r *Segment, sources []Source, old []*Segment, also func(*bbolt.Tx) error) error {
	type page struct {
		bucket string
		number int
		value  []byte
	}
	var batch []page
	size := 0
	putBatch := func(tx *bbolt.Tx) error {
		for _, p := range batch {
			if err := encoding.Put(tx, p.bucket, encoding.PageKey(r.ID, p.number), p.value); err != nil {
				return err
			}
		}
		return nil
	}
	err := merge(r, sources, x.Encoder, func(bucket string, number int, value []byte) error {
		batch = append(batch, page{bucket, number, value})
		if size += len(value); size < x.Batch {
			return nil
		}
		err := x.DB.Update(putBatch)
		batch, size = nil, 0
		return err
	})
	if err != nil {
		return err
	}
	r.read, r.cache, r.limit = pageReader(x.File), map[int]any{}, cachedPages
	return x.DB.Update(func(tx *bbolt.Tx) error {
		if err := putBatch(tx); err != nil {
			return err
		}
		for _, seq := range x.trails {
			if err := tx.Bucket([]byte(encoding.BucketTrail)).Delete(encoding.SeqKey(seq)); err != nil {
				return err
			}
		}
		for _, o := range old {
			if err := o.remove(tx); err != nil {
				return err
			}
		}
		if err := also(tx); err != nil {
			return err
		}
		return encoding.Put(tx, encoding.BucketRuns, encoding.SegmentKey(r.ID), r.Encode(x.Encoder))
	})
}

// remove deletes the run and its pages.
func (r *Segment) remove(tx *bbolt.Tx) error {
	for bucket, pages := range map[string]int{encoding.BucketObjects: len(r.Objects), encoding.BucketTerms: len(r.Terms)} {
		for i := range pages {
			if err := tx.Bucket([]byte(bucket)).Delete(encoding.PageKey(r.ID, i)); err != nil {
				return err
			}
		}
	}
	return tx.Bucket([]byte(encoding.BucketRuns)).Delete(encoding.SegmentKey(r.ID))
}

// Reload takes up the index that is in the file.
func (x *Writer) Reload(t *boltfile.Tree) (err error) {
	if x.Segments, err = ReadSegments(x.File, t); err != nil {
		return err
	}
	after := event.Seq(1)
	for _, r := range x.Segments {
		x.nextID, after = max(x.nextID, r.ID+1), r.Last+1
	}
	trails, err := ReadCommits(t, after)
	for _, one := range trails {
		x.Take(one)
	}
	return err
}
