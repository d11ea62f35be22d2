package store

import (
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
