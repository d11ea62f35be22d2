package store

import (
	"errors"
	"fmt"
)

// readPage reads a page of a run.
func readPage(f fileAt, bucketName string, id uint32, page int) (value []byte, err error) {
	err = f.view(func(t *tree) (err error) {
		value, err = t.value(bucketName, pageKey(id, page))
		if err == nil && value == nil {
			err = errors.New("missing")
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrInUse) {
		err = &DamageError{What: fmt.Sprintf("index (%s, page %d)", bucketName, page), Err: fmt.Errorf("%w: %w", errIndex, err)}
	}
	return value, err
}

// readRuns reads the heads of all runs, in order.
func readRuns(f fileAt, t *tree) ([]*run, error) {
	var runs []*run
	size, changes := uint32(0), 0
	err := t.values(bucketRuns, nil, func(k, v []byte) error {
		head := wire{data: v}
		if size += min(head.uint32(), maxSection+1); size > maxSection {
			return fmt.Errorf("heads of more than %d bytes: %w", maxSection, errRun)
		}
		w := wire{data: k}
		r, err := parseRun(w.runID(), v)
		if err == nil {
			if changes += len(r.ledger); changes > maxLedger {
				err = errRun
			}
		}
		if err == nil && (w.bad || len(runs) > 0 && r.first != runs[len(runs)-1].last+1) {
			err = errRun
		}
		if err == nil {
			r.read = pageReader(f)
			runs = append(runs, r)
		}
		return err
	})
	if err != nil {
		return nil, &DamageError{What: "index", Err: fmt.Errorf("%w: %w", errIndex, err)}
	}
	for _, r := range runs {
		r.limit = cachedPages / len(runs)
	}
	return runs, nil
}

// pageReader returns a function that reads pages of runs from the file.
func pageReader(f fileAt) func(bucket string, id uint32, page int) ([]byte, error) {
	return func(bucket string, id uint32, page int) ([]byte, error) { return readPage(f, bucket, id, page) }
}
