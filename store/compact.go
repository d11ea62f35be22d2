package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// compactInPlace replaces a sealed file by one without the pages that were
// freed while it grew. When there is no room for that it stays as it is, which
// is as good but larger.
func compactInPlace(path string) error {
	tmp := path + ".compact"
	err := copyFile(path, tmp)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		return syncDir(filepath.Dir(path))
	}
	removed := os.Remove(tmp)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	return errors.Join(err, removed)
}

// copyFile writes every value of src to a new file dst, densely.
func copyFile(src, dst string) (err error) {
	from, err := bbolt.Open(src, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Nanosecond})
	if err != nil {
		return fmt.Errorf("compact %s: %w", src, err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := bbolt.Open(dst, 0o600, &bbolt.Options{NoFreelistSync: true, PageSize: pageSize, NoSync: true, NoGrowSync: true, NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag|os.O_TRUNC, mode)
		}})
	if err != nil {
		return fmt.Errorf("compact to %s: %w", dst, err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	err = from.View(func(tx *bbolt.Tx) error {
		return to.Update(func(out *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
				into, err := out.CreateBucket(name)
				if err != nil {
					return err
				}
				into.FillPercent = 1 // keys come in order and nothing follows
				return b.ForEach(into.Put)
			})
		})
	})
	// The second transaction makes both meta pages lead to everything, so that
	// losing either loses nothing.
	if err == nil {
		err = to.Update(func(*bbolt.Tx) error { return nil })
	}
	if err == nil {
		err = to.Sync()
	}
	if err != nil {
		return fmt.Errorf("compact to %s: %w", dst, err)
	}
	return nil
}

// syncDir makes a rename in the directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
