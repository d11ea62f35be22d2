package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/svcspy/svcspy/store/boltfile"
)

// compactInPlace replaces a sealed file by one without the pages that were
// freed while it grew. Where there is no room for that, or nothing else may be
// written, it stays as it is, which is as good but larger; also where somebody
// adds a mark to it at this moment.
func compactInPlace(path string) (err error) {
	// Until the new file is in place nobody may write to the old one.
	lock, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Nanosecond})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil
	}
	if err != nil {
		return unlessRefused(err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // twice does no harm
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return unlessRefused(err)
	}
	if err = errors.Join(tmp.Close(), copyFile(path, tmp.Name())); err == nil {
		err = replaceLocked(lock, tmp.Name(), path)
	}
	if err == nil {
		return syncDir(filepath.Dir(path))
	}
	return errors.Join(unlessRefused(err), os.Remove(tmp.Name()))
}

// replaceLocked renames a file to that of an open database. Windows does not replace an
// open file, so that there the database is closed just before. Whoever opens it in that
// moment keeps it as it is; what was written to it meanwhile shows in its time.
func replaceLocked(lock *bbolt.DB, from, path string) error {
	if runtime.GOOS != "windows" {
		return os.Rename(from, path)
	}
	before, err := os.Stat(path)
	if err := errors.Join(err, lock.Close()); err != nil {
		return err
	}
	after, err := os.Stat(path)
	if err != nil {
		return err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return sharingViolation
	}
	return os.Rename(from, path)
}

// sharingViolation is what Windows says when an open file is to be replaced.
const sharingViolation = syscall.Errno(32)

// unlessRefused drops errors that say that the directory takes no more, or that the
// file cannot be replaced while it is open.
func unlessRefused(err error) error {
	if runtime.GOOS == "windows" && errors.Is(err, sharingViolation) {
		return nil
	}
	for _, refused := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, fs.ErrPermission} {
		if errors.Is(err, refused) {
			return nil
		}
	}
	return err
}

// copyFile writes every value of src to dst, which is empty, densely.
func copyFile(src, dst string) (err error) {
	from, err := bbolt.Open(src, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Nanosecond})
	if err != nil {
		return fmt.Errorf("compact %s: %w", src, err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := bbolt.Open(dst, 0o600, &bbolt.Options{NoFreelistSync: true, PageSize: boltfile.PageSize, NoSync: true, NoGrowSync: true, NoStatistics: true})
	if err != nil {
		return fmt.Errorf("compact to %s: %w", dst, err)
	}
	size := int64(0)
	defer func() {
		// On Windows bbolt makes a file as large as the memory that it maps, which doubles.
		if err = errors.Join(err, to.Close()); err == nil {
			err = os.Truncate(dst, size)
		}
	}()
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
		err = to.Update(func(tx *bbolt.Tx) error {
			size = tx.Size()
			return nil
		})
	}
	if err == nil {
		err = to.Sync()
	}
	if err != nil {
		return fmt.Errorf("compact to %s: %w", dst, err)
	}
	return nil
}

// syncDir makes a rename in the directory durable. Windows flushes no directories:
// the journal of its file system does that.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Compact writes the recording src to the new file dst, as small as it gets:
// for one that was interrupted, or written by an older version. It keeps every
// position, time and mark; what was not closed stays known as incomplete, but
// has a digest from then on. A damaged recording is not compacted.
func Compact(src, dst string, options ...Option) (Info, error) {
	r, err := Open(src)
	if err != nil {
		return Info{}, fmt.Errorf("compact: %w", err)
	}
	defer r.Close()
	if r.live {
		return Info{}, fmt.Errorf("compact %s: %w", src, ErrInUse)
	}
	if v, err := Verify(src); err != nil {
		return Info{}, fmt.Errorf("compact: %w", err)
	} else if len(v.Damage) > 0 {
		return Info{}, fmt.Errorf("compact %s: %w", src, v.Damage[0])
	}
	compactor := compactTo
	if r.Info().First > 1 {
		compactor = compactWindow
	}
	info, err := compactor(r, dst, options)
	if err != nil {
		return Info{}, fmt.Errorf("compact %s: %w", src, err)
	}
	return info, nil
}

// compactWindow is compactTo for what a ring left: its positions begin where the
// window does, so its blocks are copied as they are.
func compactWindow(r *Recording, dst string, options []Option) (Info, error) {
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Info{}, err
	}
	if err = errors.Join(out.Close(), copyFile(r.path, dst)); err != nil {
		return Info{}, errors.Join(err, os.Remove(dst))
	}
	info := r.Info()
	if info.Closed {
		return info, nil // it is sealed already, and its digest is over the same
	}
	w, err := reopen(dst)
	if err != nil {
		return Info{}, errors.Join(err, os.Remove(dst))
	}
	for _, o := range options {
		o(w)
	}
	w.interrupted = true
	if info, err = w.Seal(w.end.End); err != nil {
		return Info{}, errors.Join(err, os.Remove(dst))
	}
	return info, nil
}

func compactTo(r *Recording, dst string, options []Option) (Info, error) {
	info := r.Info()
	c := copying{r: r, first: max(info.First, 1), last: info.Last, end: info.End, interrupted: !info.Closed}
	for e, err := range r.Events(1, c.first-1) { // of a ring, or what was cut from another
		if err != nil {
			return Info{}, err
		}
		c.carried = append(c.carried, e.Seq)
	}
	var err error
	if c.ledger, err = r.Ledger(0, info.Last); err != nil {
		return Info{}, err
	}
	if err := c.aside(&Excerpt{Header: Header{}, End: time.Unix(1<<40, 0)}); err != nil {
		return Info{}, err
	}
	return c.write(dst, info.Header, options)
}
