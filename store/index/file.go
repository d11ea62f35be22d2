package index

import (
	"errors"
	"fmt"

	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
)

// readPage reads a page of a run.
func readPage(f boltfile.File, bucketName string, id uint32, page int) (value []byte, err error) {
	err = f.View(func(t *boltfile.Tree) (err error) {
		value, err = t.Value(bucketName, encoding.PageKey(id, page))
		if err == nil && value == nil {
			err = errors.New("missing")
		}
		return err
	})
	if err != nil && !errors.Is(err, event.ErrInUse) {
		err = &event.DamageError{What: fmt.Sprintf("index (%s, page %d)", bucketName, page), Err: fmt.Errorf("%w: %w", ErrDamaged, err)}
	}
	return value, err
}

// ReadSegments reads the heads of all runs, in order.
func ReadSegments(f boltfile.File, t *boltfile.Tree) ([]*Segment, error) {
	var runs []*Segment
	size, changes := uint32(0), 0
	err := t.Values(encoding.BucketRuns, nil, func(k, v []byte) error {
		head := encoding.Reader{Data: v}
		if size += min(head.Uint32(), encoding.MaxSection+1); size > encoding.MaxSection {
			return fmt.Errorf("heads of more than %d bytes: %w", encoding.MaxSection, errSegment)
		}
		w := encoding.Reader{Data: k}
		r, err := ParseSegment(w.SegmentID(), v)
		if err == nil {
			if changes += len(r.Ledger); changes > maxLedger {
				err = errSegment
			}
		}
		if err == nil && (w.Bad || len(runs) > 0 && r.First != runs[len(runs)-1].Last+1) {
			err = errSegment
		}
		if err == nil {
			r.read = pageReader(f)
			runs = append(runs, r)
		}
		return err
	})
	if err != nil {
		return nil, &event.DamageError{What: "index", Err: fmt.Errorf("%w: %w", ErrDamaged, err)}
	}
	for _, r := range runs {
		r.limit = cachedPages / len(runs)
	}
	return runs, nil
}

// pageReader returns a function that reads pages of runs from the file.
func pageReader(f boltfile.File) func(bucket string, id uint32, page int) ([]byte, error) {
	return func(bucket string, id uint32, page int) ([]byte, error) { return readPage(f, bucket, id, page) }
}
