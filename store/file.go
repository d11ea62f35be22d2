package store

import (
	"errors"
	"fmt"
	"io"
)

// fileAt reads the values of a recording's file, also while it is written.
type fileAt struct {
	io.ReaderAt
	salvaged *tree // used instead of the file's own, if it cannot be trusted
}

// attempts is how often a read that a writer got in the way of is repeated.
const attempts = 100

// view calls read with the last complete transaction of the file. A writer in
// another process does not wait for it, but leaves the pages of a transaction
// alone until the next one is complete: only the one after that may use them
// again. So what was read holds if no transaction was completed meanwhile;
// otherwise it is read again.
func (f fileAt) view(read func(t *tree) error) error {
	if f.salvaged != nil {
		return read(f.salvaged)
	}
	for range attempts {
		before, err := newest(f)
		if err != nil {
			return err
		}
		err = read(before)
		after, again := newest(f)
		if again != nil {
			return again
		}
		if before.txid == after.txid {
			return err
		}
	}
	return fmt.Errorf("it is written faster than it can be read: %w", ErrInUse)
}

// value reads a value and checks it; nil if it is not there.
func (t *tree) value(bucketName string, key []byte) ([]byte, error) {
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

// values calls visit with every key from one on and its checked value, until
// the first that is damaged or that visit fails for.
func (t *tree) values(bucketName string, from []byte, visit func(k, v []byte) error) error {
	b, err := t.bucket(bucketName)
	if b == nil || err != nil {
		return err
	}
	b.ascend(from, func(k, v []byte, failed error) bool {
		if err = failed; err == nil {
			v, err = trimSum(bucketName, k, v)
		}
		if err == nil {
			err = visit(k, v)
		}
		return err == nil
	})
	return err
}

// page reads a page of a run.
func (f fileAt) page(bucketName string, id uint32, page int) (value []byte, err error) {
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

// runs reads the heads of all runs, in order.
func (f fileAt) runs(t *tree) ([]*run, error) {
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
			r.read = f.page
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
