package boltfile

import (
	"fmt"
	"io"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
)

// File reads the values of a recording's file, also while it is written.
type File struct {
	io.ReaderAt
	Salvaged *Tree // used instead of the file's own, if it cannot be trusted
}

// attempts is how often a read that a writer got in the way of is repeated.
const attempts = 100

// View calls read with the last complete transaction of the file. A writer in
// another process does not wait for it, but leaves the pages of a transaction
// alone until the next one is complete: only the one after that may use them
// again. So what was read holds if no transaction was completed meanwhile;
// otherwise it is read again.
func (f File) View(read func(t *Tree) error) error {
	if f.Salvaged != nil {
		return read(f.Salvaged)
	}
	for range attempts {
		before, err := Newest(f)
		if err != nil {
			return err
		}
		err = read(before)
		after, again := Newest(f)
		if again != nil {
			return again
		}
		if before.TxID == after.TxID {
			return err
		}
	}
	return fmt.Errorf("it is written faster than it can be read: %w", event.ErrInUse)
}

// Value reads a value and checks it; nil if it is not there.
func (t *Tree) Value(bucketName string, key []byte) ([]byte, error) {
	b, err := t.Bucket(bucketName)
	if b == nil || err != nil {
		return nil, err
	}
	v, err := b.get(key)
	if v == nil || err != nil {
		return nil, err
	}
	return encoding.TrimSum(bucketName, key, v)
}

// Values calls visit with every key from one on and its checked value, until
// the first that is damaged or that visit fails for.
func (t *Tree) Values(bucketName string, from []byte, visit func(k, v []byte) error) error {
	b, err := t.Bucket(bucketName)
	if b == nil || err != nil {
		return err
	}
	b.Ascend(from, func(k, v []byte, failed error) bool {
		if err = failed; err == nil {
			v, err = encoding.TrimSum(bucketName, k, v)
		}
		if err == nil {
			err = visit(k, v)
		}
		return err == nil
	})
	return err
}
