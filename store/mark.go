package store

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
)

// Mark is a remark somebody made about a moment. Marks lie beside the recording
// in its file: they are not part of the digest and change nothing else, so
// neither seal nor signature of the recording says that a mark is genuine. A mark
// may carry a signature of its own.
type Mark struct {
	Time    time.Time `json:"time"`    // the moment it is about
	Written time.Time `json:"written"` // when it was made, as its author says
	Author  string    `json:"author,omitempty"`
	Text    string    `json:"text"`
	// Key is the ed25519 public key that signed the mark, and Signature its
	// signature over the mark and the digest of the recording; nil if it is not
	// signed. Only Signer says whether they match.
	Key       []byte `json:"ed25519,omitempty"`
	Signature []byte `json:"signature,omitempty"`
}

// signedMark begins the bytes that a mark's signature is over.
const signedMark = "svcspy mark\n"

// signedBytes are what the signature is over: the digest of the recording ties the
// mark to it.
func (m *Mark) signedBytes(digest string) []byte {
	b := []byte(signedMark)
	for _, s := range []string{digest, m.Time.UTC().Format(time.RFC3339Nano), m.Written.UTC().Format(time.RFC3339Nano), m.Author, m.Text} {
		b = append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
	}
	return b
}

// Sign signs the mark for the sealed recording with the digest (Info.SHA256).
// Whatever is changed in the mark after it makes the signature invalid.
func (m *Mark) Sign(key ed25519.PrivateKey, digest string) {
	m.Key = key.Public().(ed25519.PublicKey)
	m.Signature = ed25519.Sign(key, m.signedBytes(digest))
}

// ErrMarkSignature is returned for a mark that was changed after it was signed,
// or signed for another recording.
var ErrMarkSignature = errors.New("its signature does not match")

// Signer returns the key that signed the mark for the recording with the digest;
// nil if it is not signed.
func (m *Mark) Signer(digest string) (ed25519.PublicKey, error) {
	switch {
	case m.Key == nil && m.Signature == nil:
		return nil, nil
	case digest == "" || len(m.Key) != ed25519.PublicKeySize || !ed25519.Verify(m.Key, m.signedBytes(digest), m.Signature):
		return nil, ErrMarkSignature
	}
	return m.Key, nil
}

// unsigned returns the mark without its signature, which holds for one recording
// only.
func (m Mark) unsigned() Mark {
	m.Key, m.Signature = nil, nil
	return m
}

// lockPatience is how long a short use of the file by another process is
// waited for.
const lockPatience = time.Second

// AddMark adds marks to a recording that nobody is writing, all or none; while
// somebody does, the error is ErrInUse, and only its Writer can add one.
func AddMark(path string, marks ...Mark) error {
	if len(marks) == 0 {
		return nil
	}
	values := make([][]byte, len(marks))
	for i, m := range marks {
		var err error
		if values[i], err = json.Marshal(m); err != nil {
			return fmt.Errorf("add mark: %w", err)
		}
	}
	// bbolt would take any file, and make one where there is none.
	r, err := Open(path)
	if err != nil {
		return fmt.Errorf("add mark: %w", err)
	}
	defer r.Close()
	if r.live {
		return fmt.Errorf("add mark to %s: %w", path, ErrInUse)
	}
	if err := r.writable(); err != nil {
		return fmt.Errorf("add mark to %s: %w", path, err)
	}
	for range replacedTries {
		if err = guarded(func() error { return addMark(path, values) }); !errors.Is(err, errReplaced) {
			break
		}
	}
	if errors.Is(err, bbolterrors.ErrTimeout) {
		err = ErrInUse
	}
	if err != nil {
		return fmt.Errorf("add mark to %s: %w", path, err)
	}
	return nil
}

// writable returns what is wrong with the pages of the file, nil if bbolt can
// write to it: it panics, in goroutines of its own, on pages that it does not
// understand.
func (r *Recording) writable() error {
	if err := r.Damage(); err != nil {
		return err
	}
	size, err := r.size()
	if err != nil {
		return err
	}
	var damage []error
	boltfile.Check(r.file, size, func(err error) {
		if len(damage) < maxReported {
			damage = append(damage, err)
		}
	})
	if len(damage) > 0 {
		return &DamageError{What: "file", Err: errors.Join(damage...)}
	}
	return nil
}

// replacedTries is how often a mark is tried again where the file was replaced.
const replacedTries = 100

// maxReported is how many things wrong with the pages an error names.
const maxReported = 3

// errReplaced is returned where the file that was opened is not the one of that
// name any more: it was sealed meanwhile, and a denser one took its place.
var errReplaced = errors.New("the file was replaced")

func addMark(path string, values [][]byte) (err error) {
	var opened *os.File
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockPatience, NoFreelistSync: true, PageSize: boltfile.PageSize, NoGrowSync: true, NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			opened, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
			return opened, err
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// Whoever replaces a file holds its lock: from here on it stays.
	mine, err := opened.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Stat(path); err != nil || !os.SameFile(mine, named) {
		return errors.Join(errReplaced, err)
	}
	return putMarks(db, values...)
}

// Mark adds a mark to the recording that is being written; it is durable at
// once. It may be called from another goroutine than the Writer's, and must have
// returned before Seal or Abort.
func (w *Writer) Mark(m Mark) error {
	value, err := json.Marshal(m)
	if err == nil {
		err = limited(putMarks(w.db, value))
	}
	if err != nil {
		return fmt.Errorf("add mark: %w", err)
	}
	return nil
}

func putMarks(db *bbolt.DB, values ...[]byte) error {
	return db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(encoding.BucketMarks))
		if err != nil {
			return err
		}
		for _, value := range values {
			number, err := b.NextSequence()
			if err != nil {
				return err
			}
			if err := encoding.Put(tx, encoding.BucketMarks, encoding.SeqKey(Seq(number)), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// guarded calls what uses bbolt on a file that may be damaged: bbolt panics on
// pages it does not understand, and faults on such as are not there.
func guarded(use func() error) (err error) {
	faults := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(faults)
		if p := recover(); p != nil {
			err = &DamageError{What: "file", Err: fmt.Errorf("%v", p)}
		}
	}()
	return use()
}

// Marks returns the marks in the order they were made.
func (r *Recording) Marks() ([]Mark, error) {
	var marks []Mark
	err := r.source().View(func(t *boltfile.Tree) error {
		marks = nil
		return t.Values(encoding.BucketMarks, nil, func(_, v []byte) error {
			var m Mark
			err := json.Unmarshal(v, &m)
			marks = append(marks, m)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	return marks, nil
}
