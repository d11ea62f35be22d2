package store

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"

	"go.etcd.io/bbolt"

	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
)

// ending is what is known about the end while the recording goes on; it is
// replaced at every commit.
type ending struct {
	End    time.Time `json:"end"`
	First  Seq       `json:"first"`
	Last   Seq       `json:"last"`
	Events uint64    `json:"events"`
	Kinds  []Kind    `json:"kinds,omitempty"`
	// Redacted is Info.Redacted.
	Redacted map[string]uint64 `json:"redacted,omitempty"`
}

// seal is written last.
type seal struct {
	ending
	// Interrupted is set when the recorder did not end the recording itself,
	// and it was compacted later.
	Interrupted bool   `json:"interrupted,omitempty"`
	Digest      string `json:"sha256"`
}

// signature is a seal's; it is over signedText and the bytes of the seal.
type signature struct {
	Key  []byte `json:"ed25519"`
	Sign []byte `json:"signature"`
}

const signedText = "svcspy seal\n"

func (e *ending) info(h Header) Info {
	return Info{
		Header: h, FormatVersion: FormatVersion, First: e.First, Last: e.Last, End: clockTime(e.End), Events: e.Events,
		Redacted: e.Redacted,
	}
}

// info says of a sealed file what is known of it.
func (s *seal) info(h Header) Info {
	info := s.ending.info(h)
	info.Closed, info.SHA256 = !s.Interrupted, s.Digest
	return info
}

// SignWith has Seal sign the digest.
func SignWith(key ed25519.PrivateKey) Option { return func(w *Writer) { w.key = key } }

// Seal ends the recording: it commits, puts the index together, writes the
// digest, marks the file closed, leaves out the pages that were freed, and
// closes it. The Writer cannot be used after it, whatever it returns; after an
// error what was committed is in the file as after a kill.
func (w *Writer) Seal(now time.Time) (Info, error) {
	if w.db == nil {
		return Info{}, ErrClosed
	}
	info, err := w.seal(now)
	if err := errors.Join(err, w.Abort()); err != nil {
		return Info{}, fmt.Errorf("seal recording: %w", err)
	}
	if err := compactInPlace(w.path); err != nil {
		return Info{}, fmt.Errorf("seal recording: %w", err)
	}
	return info, nil
}

func (w *Writer) seal(now time.Time) (Info, error) {
	w.db.MaxSize = 0 // the limit was kept up to here; the end must not be lost for it
	if err := w.commit(now, true); err != nil {
		return Info{}, err
	}
	if err := w.index.Finish(); err != nil {
		return Info{}, err
	}
	s := seal{ending: w.end, Interrupted: w.interrupted}
	err := w.index.File.View(func(t *boltfile.Tree) (err error) {
		s.Digest, err = digest(t)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	value, err := json.Marshal(s)
	if err != nil {
		return Info{}, err
	}
	err = w.db.Update(func(tx *bbolt.Tx) error {
		if w.key != nil {
			signed, err := json.Marshal(signature{w.key.Public().(ed25519.PublicKey), ed25519.Sign(w.key, signedBytes(value))})
			if err != nil {
				return err
			}
			if err := encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeySignature), signed); err != nil {
				return err
			}
		}
		return encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeySeal), value)
	})
	return s.info(w.header), err
}

func signedBytes(seal []byte) []byte { return append([]byte(signedText), seal...) }

// signer checks the signature of a sealed file and returns its public key, nil
// if it is not signed.
func signer(t *boltfile.Tree) (ed25519.PublicKey, error) {
	seal, err := t.Value(encoding.BucketHead, []byte(encoding.KeySeal))
	if err != nil {
		return nil, err
	}
	value, err := t.Value(encoding.BucketHead, []byte(encoding.KeySignature))
	if err != nil || value == nil {
		return nil, err
	}
	var s signature
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, err
	}
	if len(s.Key) != ed25519.PublicKeySize || !ed25519.Verify(s.Key, signedBytes(seal), s.Sign) {
		return nil, errors.New("does not match the seal")
	}
	return s.Key, nil
}

// digest sums up everything in the file but seal, signature and marks: for each
// bucket in the order of allBuckets its name, then each key and value in order,
// all with their lengths in front.
func digest(t *boltfile.Tree) (string, error) {
	sum := sha256.New()
	for _, name := range encoding.Buckets {
		writeSized(sum, []byte(name))
		b, err := t.Bucket(name)
		if err != nil {
			return "", err
		}
		if b == nil {
			continue
		}
		b.Ascend(nil, func(k, v []byte, failed error) bool {
			if err = failed; err != nil {
				return false
			}
			if name != encoding.BucketHead || !bytes.Equal(k, []byte(encoding.KeySeal)) && !bytes.Equal(k, []byte(encoding.KeySignature)) {
				writeSized(sum, k)
				writeSized(sum, v)
			}
			return true
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func writeSized(to hash.Hash, b []byte) {
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(b)))
	to.Write(size[:])
	to.Write(b)
}
