package store

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/index"
)

// Save writes what has been committed to a new file, as a sealed recording of
// its own with the given id: of a ring, the window. If there is a file of that
// name the error is fs.ErrExist. The Writer goes on. Save may be called from
// another goroutine than the Writer's, and must have returned before Seal or
// Abort.
func (w *Writer) Save(path, id string) (Info, error) {
	info, err := w.save(path, id)
	if err != nil {
		return Info{}, fmt.Errorf("save recording: %w", err)
	}
	return info, nil
}

func (w *Writer) save(path, id string) (Info, error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Info{}, err
	}
	err = w.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(out)
		return err
	})
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		var info Info
		if info, err = sealCopy(path, id, w.key); err == nil {
			return info, nil
		}
	}
	return Info{}, errors.Join(err, os.Remove(path))
}

// sealCopy seals the copy of a recording that was not sealed.
func sealCopy(path, id string, key ed25519.PrivateKey) (Info, error) {
	w, err := reopen(path)
	if err != nil {
		return Info{}, err
	}
	w.key, w.header.ID = key, id
	header, err := encodeHeader(w.header)
	if err == nil {
		err = w.db.Update(func(tx *bbolt.Tx) error {
			return encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeyHeader), header)
		})
	}
	if err != nil {
		return Info{}, errors.Join(err, w.Abort())
	}
	return w.Seal(w.end.End)
}

// reopen returns a Writer that can only seal: what a recording needs to go on
// is not in its file.
func reopen(path string) (*Writer, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockPatience, NoFreelistSync: true, PageSize: boltfile.PageSize, FreelistType: bbolt.FreelistMapType, NoStatistics: true,
	})
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &Writer{path: path, db: db, file: file, quick: encoding.NewEncoder(zstd.SpeedFastest), dense: encoding.NewEncoder(zstd.SpeedBetterCompression)}
	w.index = &index.Writer{DB: db, File: boltfile.File{ReaderAt: file}, Encoder: w.dense, Limits: index.UsualLimits, Tail: index.NewIndex()}
	err = w.index.File.View(func(t *boltfile.Tree) error {
		info, kinds, err := readInfo(t)
		if err != nil {
			return err
		}
		w.header, w.time = info.Header, info.End
		w.end = ending{End: info.End, First: info.First, Last: info.Last, Events: info.Events, Kinds: kinds, Redacted: info.Redacted}
		w.block = block.NewBuilder(info.Last + 1)
		return w.index.Reload(t)
	})
	if err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return w, nil
}
