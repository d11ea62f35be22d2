package store

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/rawjson"
)

// Sizes of what is held and written at once.
const (
	blockContent  = 512 << 10 // content at which a block is complete
	freshBlocks   = 64        // small blocks before they are rolled into one
	keptVersions  = 32 << 20  // bytes of versions kept to make deltas against
	positionBytes = 64        // what a position counts besides its object
	maxNamed      = 1 << 20   // bytes left for identities in a block
)

// Writer writes a recording. It is not safe for concurrent use. It has no
// clock: every time is given, and clamped so that it never runs backwards.
//
// What is appended is durable after the next Commit. Each Commit writes a small
// block; as they add up to a large one, that replaces them.
type Writer struct {
	path   string
	db     *bbolt.DB
	file   *os.File // for what is read while writing
	header Header
	end    ending
	clocks []Clock // since the last commit
	key    ed25519.PrivateKey
	// interrupted is set when somebody else's recording is completed.
	interrupted bool
	time        time.Time // of the last position
	at          Seq       // where the next position lies if there is a hole before it

	track    *index.Tracker
	versions *block.Bases
	differ   block.Differ
	index    *index.Writer

	block     *block.Builder // positions since the last complete block
	committed int            // entries of it that are in the file
	fresh     []Seq          // keys of the blocks in the file that it will replace
	chain     [32]byte       // digest of the last block in the file
	whole     [32]byte       // digest of the last complete block
	trail     index.Commit   // since the last commit
	kinds     []Kind         // of the block, in a ring
	ring      ring
	pending   int // bytes appended since the last commit

	quick, dense *zstd.Encoder
}

// Option changes how a Writer writes.
type Option func(*Writer)

// MaxSize limits the file to about that many bytes: a Commit that would exceed
// it fails with ErrFull and loses nothing; Seal still works.
func MaxSize(bytes int64) Option { return func(w *Writer) { w.db.MaxSize = int(bytes) } }

// Create begins a recording in a new file of mode 0600. If there is a file of
// that name the error is fs.ErrExist.
func Create(path string, h Header, options ...Option) (*Writer, error) {
	made := false
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:        lockPatience, // who looks whether it is in use holds it for a moment
		NoFreelistSync: true, PageSize: boltfile.PageSize,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag|os.O_CREATE|os.O_EXCL, mode)
			made = err == nil
			return f, err
		},
	})
	if err != nil {
		err = fmt.Errorf("create recording: %w", err)
		if made { // but the disk is full, say
			err = errors.Join(err, os.Remove(path))
		}
		return nil, err
	}
	h.Start = clockTime(h.Start)
	w := &Writer{
		path: path, db: db, header: h,
		end: ending{End: h.Start}, time: h.Start,
		track: index.NewTracker(), versions: block.NewBases(keptVersions),
		block: block.NewBuilder(1),
		quick: encoding.NewEncoder(zstd.SpeedFastest), dense: encoding.NewEncoder(zstd.SpeedBetterCompression),
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create recording: %w", err), db.Close(), os.Remove(path))
	}
	w.file = file
	w.index = &index.Writer{DB: db, File: boltfile.File{ReaderAt: file}, Encoder: w.dense, Limits: index.UsualLimits, Tail: index.NewIndex()}
	for _, o := range options {
		o(w)
	}
	if err := w.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("create recording: %w", err), w.Abort(), os.Remove(path))
	}
	return w, nil
}

// begin writes what a recording starts with.
func (w *Writer) begin() error {
	header, err := encodeHeader(w.header)
	if err != nil {
		return err
	}
	discovery, err := encodeDiscovery(w.quick, w.header.Resources)
	if err != nil {
		return err
	}
	return w.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range encoding.Buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return errors.Join(
			encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeyFormat), encodeFormat()),
			encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeyHeader), header),
			encoding.Put(tx, encoding.BucketDiscovery, encoding.SeqKey(0), discovery),
			w.end.put(tx),
		)
	})
}

func (e *ending) put(tx *bbolt.Tx) error {
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeyEnd), value)
}

// putClocks returns the key of the samples.
func (w *Writer) putClocks(tx *bbolt.Tx) ([]byte, error) {
	number, err := tx.Bucket([]byte(encoding.BucketClocks)).NextSequence()
	if err != nil {
		return nil, err
	}
	key := encoding.SeqKey(Seq(number))
	return key, encoding.Put(tx, encoding.BucketClocks, key, appendClocks(nil, w.clocks))
}

// advance takes the next position and its time.
func (w *Writer) advance(t time.Time) (Seq, time.Time, error) {
	if w.db == nil {
		return 0, time.Time{}, ErrClosed
	}
	if len(w.block.Entries) >= block.MaxCount {
		return 0, time.Time{}, fmt.Errorf("append to %d uncommitted positions: %w", block.MaxCount, ErrTooLarge)
	}
	if t = clockTime(t); t.Before(w.time) {
		t = w.time
	}
	w.time = t
	seq := max(w.block.Next(), w.at)
	if len(w.block.Entries) == 0 {
		w.block.First = seq
	}
	if w.trail.Count == 0 {
		w.trail.First, w.trail.Begin, w.trail.Times[0] = seq, seq, t.UnixMicro()
		if w.end.Last > 0 {
			w.trail.First = w.end.Last + 1 // trails follow each other also where positions do not
		}
	}
	w.trail.Count = int(seq-w.trail.First) + 1
	w.trail.Times[1] = t.UnixMicro()
	w.end.First, w.end.Last = max(w.end.First, 1), seq
	return seq, t, nil
}

// Append adds an event and returns its position. e.Seq is ignored, and nothing
// of e.Object is kept after return. Objects over 32 MiB, and more than 32 MiB without
// a Commit, are refused with ErrTooLarge.
func (w *Writer) Append(e Event) (Seq, error) {
	if _, err := block.TagOf(e.Type); err != nil {
		return 0, err
	}
	if len(e.Object) > block.MaxObject || w.block.Size+len(e.Object) > encoding.MaxSection-maxNamed {
		return 0, fmt.Errorf("append %d bytes to %d uncommitted: %w", len(e.Object), w.block.Size, ErrTooLarge)
	}
	var err error
	if e.Seq, e.Time, err = w.advance(e.Time); err != nil {
		return 0, err
	}
	id, _ := rawjson.Identify(e.Resource, e.Object) // what cannot be read cannot be found, but is kept
	if err := w.block.AddEvent(&e, &id, 0, w.versions, &w.differ); err != nil {
		return 0, err
	}
	w.trail.Changes = w.track.Observe(w.trail.Changes, &e, &id)
	if e.Seq >= w.end.First {
		w.end.Events++
		w.end.Kinds = count(w.end.Kinds, &e)
	}
	if w.ring.window > 0 {
		w.kinds = count(w.kinds, &e)
	}
	w.pending += len(e.Object) + positionBytes
	return e.Seq, nil
}

// Cover adds a change of coverage and returns its position.
func (w *Writer) Cover(c Coverage) (Seq, error) {
	var err error
	if c.Seq, c.Time, err = w.advance(c.Time); err != nil {
		return 0, err
	}
	w.block.AddCoverage(&c)
	w.trail.Ledger = append(w.trail.Ledger, c)
	w.pending += positionBytes
	return c.Seq, nil
}

// Describe replaces the discovery document; it is durable at once.
func (w *Writer) Describe(resources []metav1.APIResource) error {
	if w.db == nil {
		return ErrClosed
	}
	discovery, err := encodeDiscovery(w.quick, resources)
	if err != nil {
		return fmt.Errorf("write discovery: %w", err)
	}
	err = w.db.Update(func(tx *bbolt.Tx) error {
		return encoding.Put(tx, encoding.BucketDiscovery, encoding.SeqKey(w.end.Last), discovery)
	})
	if err != nil {
		return fmt.Errorf("write discovery: %w", limited(err))
	}
	w.header.Resources = resources
	return nil
}

// Redacted notes how many values were replaced by tokens so far, by the classes
// of the policy; it is durable after the next Commit.
func (w *Writer) Redacted(counts map[string]uint64) { w.end.Redacted = maps.Clone(counts) }

// Pending returns about how many bytes were appended since the last Commit; 0 if
// nothing was.
func (w *Writer) Pending() int { return w.pending }

// Commit makes everything appended so far durable, and notes that the recorder
// was still listening at now. After an error everything is still there to be
// committed again.
func (w *Writer) Commit(now time.Time) error {
	if w.db == nil {
		return ErrClosed
	}
	if err := w.commit(now, w.block.Size >= blockContent || len(w.block.Entries) >= block.MaxCount/2 || w.stale()); err != nil {
		return err
	}
	return w.trim(clockTime(now))
}

// commit writes what is pending. If complete, the block ends here.
func (w *Writer) commit(now time.Time, complete bool) error {
	end := w.end
	for _, t := range []time.Time{clockTime(now), w.time} {
		if t.After(end.End) {
			end.End = t
		}
	}
	w.end = end
	news := len(w.block.Entries) > w.committed
	roll := len(w.block.Entries) > 0 && (complete || len(w.fresh) >= freshBlocks)
	var blk, trailed []byte
	var first Seq
	switch {
	case roll:
		first = w.block.First
		blk = w.block.Encode(w.dense, w.whole, 0)
	case news:
		first = w.block.Entries[w.committed].Seq
		blk = w.block.Encode(w.quick, w.chain, w.committed)
	}
	if news {
		trailed = w.trail.Encode(w.quick)
	}
	var clocks []byte
	err := w.db.Update(func(tx *bbolt.Tx) (err error) {
		if roll {
			b := tx.Bucket([]byte(encoding.BucketBlocks))
			for _, seq := range w.fresh {
				if err := b.Delete(encoding.SeqKey(seq)); err != nil {
					return err
				}
			}
		}
		if blk != nil {
			if err := encoding.Put(tx, encoding.BucketBlocks, encoding.SeqKey(first), blk); err != nil {
				return err
			}
		}
		if trailed != nil {
			if err := encoding.Put(tx, encoding.BucketTrail, encoding.SeqKey(w.trail.First), trailed); err != nil {
				return err
			}
		}
		if len(w.clocks) > 0 {
			if clocks, err = w.putClocks(tx); err != nil {
				return err
			}
		}
		return w.end.put(tx)
	})
	if err != nil {
		return fmt.Errorf("commit: %w", limited(err))
	}
	w.pending, w.clocks = 0, nil
	if w.ring.window > 0 && clocks != nil {
		w.ring.clocks = append(w.ring.clocks, clockSummary{clocks, w.end.End})
	}
	if news {
		w.index.Take(&w.trail)
		w.trail = index.Commit{}
	}
	w.written(blk, first, complete, roll)
	if err := w.index.Settle(); err != nil {
		return fmt.Errorf("commit: %w", limited(err))
	}
	return nil
}

// limited says in our words that the file is full.
func limited(err error) error {
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// written notes that a block is in the file.
func (w *Writer) written(blk []byte, first Seq, complete, roll bool) {
	if blk == nil {
		return
	}
	w.chain = sha256.Sum256(blk)
	w.committed = len(w.block.Entries)
	w.block.Committed()
	if !roll {
		w.fresh = append(w.fresh, first)
		return
	}
	w.fresh = []Seq{first}
	if complete {
		w.whole, w.fresh = w.chain, nil
		w.summarize()
		w.block = block.NewBuilder(w.block.Next())
		w.committed = 0
		w.versions.NextBlock()
	}
}

// Abort closes the file without sealing: as after a kill, but without losing
// what was committed. It is harmless after Seal.
func (w *Writer) Abort() error {
	if w.db == nil {
		return nil
	}
	err := errors.Join(w.db.Close(), w.file.Close())
	w.db = nil
	return err
}
