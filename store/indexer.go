package store

import (
	"fmt"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"
)

// limits are the sizes at which the index moves on.
type limits struct {
	maxVersions int // in memory before they become a run
	maxTrails   int // in the file before they become a run
	fanIn       int // runs of one tier before they are merged
	batch       int // bytes of pages written in one transaction
}

var usualLimits = limits{maxVersions: 1 << 15, maxTrails: 512, fanIn: 8, batch: 4 << 20}

const (
	tickEvery = 1024 // positions between two ticks of a run
	lastTier  = 1000 // of a run of everything
)

// indexer writes the index of a recording: what was committed since the last
// run is in memory (and as trails in the file); from time to time that becomes
// a run, and many runs become one.
type indexer struct {
	db   *bbolt.DB
	file fileAt
	z    *zstd.Encoder
	limits

	runs   []*run
	nextID uint32
	from   Seq // where time begins; what lies before is only carried over

	tail   *index
	trails []Seq // keys in the file
	last   Seq
	times  [2]int64
	ticks  []tick
	ledger []Coverage
}

// take adds what a commit made durable.
func (x *indexer) take(t *trail) {
	if len(x.trails) == 0 {
		x.times[0] = t.times[0]
	}
	x.trails = append(x.trails, t.first)
	x.last, x.times[1] = t.first+Seq(t.count)-1, t.times[1]
	if t.begin >= x.from {
		x.ticks = append(x.ticks, tick{t.begin, time.UnixMicro(t.times[0]).UTC()})
	}
	for i := range t.changes {
		x.tail.add(&t.changes[i])
	}
	x.ledger = append(x.ledger, t.ledger...)
}

// settle makes a run of the tail if that has grown large, and one of many runs.
func (x *indexer) settle() error {
	if x.tail.size < x.maxVersions && len(x.trails) < x.maxTrails {
		return nil
	}
	if err := x.merge(nil, 0, nil); err != nil {
		return err
	}
	for {
		n := len(x.runs)
		if n < x.fanIn || x.runs[n-x.fanIn].tier != x.runs[n-1].tier {
			return nil
		}
		if err := x.merge(x.runs[n-x.fanIn:], x.runs[n-1].tier+1, nil); err != nil {
			return err
		}
	}
}

// finish makes one run of everything.
func (x *indexer) finish() error {
	if len(x.runs) == 1 && len(x.trails) == 0 || len(x.runs)+len(x.trails) == 0 {
		return nil
	}
	return x.merge(x.runs, lastTier, nil)
}

// cut is what goes when the positions before first do.
type cut struct {
	first  Seq
	time   time.Time                // of first
	ledger []Coverage               // coverage in force at first, which stays
	also   func(tx *bbolt.Tx) error // done in the transaction that makes it so
}

// cut makes one run of everything but what lies before first. Versions that are
// current there stay.
func (x *indexer) cut(c cut) error { return x.merge(x.runs, lastTier, &c) }

// merge makes one run of the last runs, which are given, and the tail. Pages
// are written in several transactions; until the last one, which writes the
// head and removes what the run replaces, nothing refers to them.
func (x *indexer) merge(old []*run, tier int, c *cut) error {
	r := &run{id: x.nextID, tier: tier}
	x.nextID++
	var sources []source
	var ticks []tick
	for i, o := range old {
		if i == 0 {
			r.first, r.times[0] = o.first, o.times[0]
		}
		r.last, r.times[1] = o.last, o.times[1]
		ticks = append(ticks, o.ticks...)
		r.ledger = append(r.ledger, o.ledger...)
		sources = append(sources, o)
	}
	if len(x.trails) > 0 {
		if len(old) == 0 {
			r.first, r.times[0] = x.trails[0], x.times[0]
		}
		r.last, r.times[1] = x.last, x.times[1]
		ticks = append(ticks, x.ticks...)
		r.ledger = append(r.ledger, x.ledger...)
		sources = append(sources, x.tail)
	}
	also := func(*bbolt.Tx) error { return nil }
	if c != nil {
		r.cut, also = c.first, c.also
		ticks = slices.DeleteFunc(ticks, func(t tick) bool { return t.seq <= c.first })
		ticks = slices.Insert(ticks, 0, tick{c.first, c.time})
		r.ledger = slices.DeleteFunc(r.ledger, func(l Coverage) bool { return l.Seq < c.first })
		r.ledger = append(slices.Clone(c.ledger), r.ledger...)
	}
	r.ticks = thin(ticks)
	if err := x.write(r, sources, old, also); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	x.runs = append(x.runs[:len(x.runs)-len(old):len(x.runs)-len(old)], r)
	if len(x.trails) > 0 {
		x.tail, x.trails, x.ticks, x.ledger = newIndex(), nil, nil, nil
	}
	return nil
}

// thin drops ticks that are close to others.
func thin(ticks []tick) []tick {
	var kept []tick
	for _, t := range ticks {
		if n := len(kept); n == 0 || t.seq >= kept[n-1].seq+tickEvery {
			kept = append(kept, t)
		}
	}
	return kept
}

func (x *indexer) write(r *run, sources []source, old []*run, also func(*bbolt.Tx) error) error {
	type page struct {
		bucket string
		number int
		value  []byte
	}
	var batch []page
	size := 0
	putBatch := func(tx *bbolt.Tx) error {
		for _, p := range batch {
			if err := put(tx, p.bucket, pageKey(r.id, p.number), p.value); err != nil {
				return err
			}
		}
		return nil
	}
	err := press(r, sources, x.z, func(bucket string, number int, value []byte) error {
		batch = append(batch, page{bucket, number, value})
		if size += len(value); size < x.batch {
			return nil
		}
		err := x.db.Update(putBatch)
		batch, size = nil, 0
		return err
	})
	if err != nil {
		return err
	}
	r.read, r.cache, r.limit = pageReader(x.file), map[int]any{}, cachedPages
	return x.db.Update(func(tx *bbolt.Tx) error {
		if err := putBatch(tx); err != nil {
			return err
		}
		for _, seq := range x.trails {
			if err := tx.Bucket([]byte(bucketTrail)).Delete(seqKey(seq)); err != nil {
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
		return put(tx, bucketRuns, runKey(r.id), r.encode(x.z))
	})
}

// remove deletes the run and its pages.
func (r *run) remove(tx *bbolt.Tx) error {
	for bucket, pages := range map[string]int{bucketObjects: len(r.objects), bucketTerms: len(r.terms)} {
		for i := range pages {
			if err := tx.Bucket([]byte(bucket)).Delete(pageKey(r.id, i)); err != nil {
				return err
			}
		}
	}
	return tx.Bucket([]byte(bucketRuns)).Delete(runKey(r.id))
}

// reload takes up the index that is in the file.
func (x *indexer) reload(t *tree) (err error) {
	if x.runs, err = readRuns(x.file, t); err != nil {
		return err
	}
	after := Seq(1)
	for _, r := range x.runs {
		x.nextID, after = max(x.nextID, r.id+1), r.last+1
	}
	trails, err := readTrails(t, after)
	for _, one := range trails {
		x.take(one)
	}
	return err
}
