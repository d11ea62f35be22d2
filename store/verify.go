package store

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/index"
)

// Verification is what Verify found.
type Verification struct {
	Info   Info
	Signer ed25519.PublicKey // whose key signed the seal; nil if it is not signed
	// Marks is how many marks the file holds, MarksLater how many of them say
	// that they were written after the recording ended. Neither digest nor
	// signature covers a mark; MarkSigners are the keys that signed marks, one
	// for each signed mark.
	Marks, MarksLater int
	MarkSigners       []ed25519.PublicKey
	// Damage says what of the file is not as it was written, in no particular
	// order; none means that all of it is, or, if the recording is not closed,
	// that all of it is readable.
	Damage []*DamageError
}

// Verify reads all of a recording and checks it: the pages of the file, the
// checksum of every value, the chain of the blocks, every event, the index, which
// must say what the blocks do, and, of a sealed one, the digest and the
// signature. The error says why it could not be
// verified at all; damage is no error. Verify while it is being written is
// ErrInUse.
func Verify(path string) (Verification, error) {
	r, err := Open(path)
	if err != nil {
		return Verification{}, err
	}
	defer r.Close()
	return r.Verify()
}

// Verify is the function Verify for a recording that is open, of a file or of what
// OpenReaderAt reads.
func (r *Recording) Verify() (Verification, error) {
	if r.live {
		return Verification{}, fmt.Errorf("verify %s: %w", r.path, ErrInUse)
	}
	v := verifying{r: r, result: Verification{Info: r.Info()}, index: newIndexCheck(r)}
	v.structure()
	v.values()
	v.events()
	v.ending()
	v.marks()
	if err := r.SourceError(); err != nil {
		return Verification{}, err
	}
	return v.result, nil
}

// marks counts the marks that can be read; values has looked at each.
func (v *verifying) marks() {
	marks, err := v.r.Marks()
	if err != nil {
		v.damage(encoding.BucketMarks, err)
	}
	v.result.Marks = len(marks)
	for _, m := range marks {
		if m.Written.After(v.result.Info.End) {
			v.result.MarksLater++
		}
		switch key, err := m.Signer(v.result.Info.SHA256); {
		case err != nil:
			v.damage(encoding.BucketMarks, fmt.Errorf("the mark of %s: %w", m.Time.UTC().Format(time.RFC3339Nano), err))
		case key != nil:
			v.result.MarkSigners = append(v.result.MarkSigners, key)
		}
	}
}

type verifying struct {
	r      *Recording
	result Verification
	index  *indexCheck
	lossy  bool // not every event could be read
}

func (v *verifying) damage(what string, err error) {
	var known *DamageError
	if errors.As(err, &known) && known.What == what {
		v.result.Damage = append(v.result.Damage, known)
		return
	}
	v.result.Damage = append(v.result.Damage, &DamageError{What: what, Err: err})
}

// structure checks the pages.
func (v *verifying) structure() {
	if v.r.broken != nil {
		v.damage("file", v.r.broken)
	}
	size, err := v.r.size()
	if err != nil {
		v.damage("file", err)
		return
	}
	boltfile.Check(v.r.file, size, func(err error) { v.damage("file", err) })
}

// values checks every value but the blocks, which events goes through.
func (v *verifying) values() {
	err := v.r.source().View(func(t *boltfile.Tree) error {
		for _, name := range append(slices.Clone(encoding.Buckets), encoding.BucketMarks) {
			if name == encoding.BucketBlocks {
				continue
			}
			b, err := t.Bucket(name)
			if err != nil || b == nil {
				continue // structure has said so
			}
			b.Ascend(nil, func(k, value []byte, err error) bool {
				if err == nil {
					value, err = encoding.TrimSum(name, k, value)
				}
				if err == nil {
					err = parseValue(name, k, value)
				}
				if err != nil {
					v.damage(name, err)
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		v.damage("file", err)
	}
}

// parseValue checks what the parts of the index say of themselves.
func parseValue(bucket string, key, value []byte) (err error) {
	switch bucket {
	case encoding.BucketTrail:
		var t *index.Commit
		if t, err = index.ParseCommit(value); err == nil {
			err = keyed(key, encoding.SeqKey(t.First))
		}
	case encoding.BucketRuns:
		_, err = index.ParseSegment(0, value)
	case encoding.BucketTerms:
		_, err = index.ParseTerms(value)
	case encoding.BucketObjects:
		_, err = index.ParseObjects(value, 1)
	case encoding.BucketClocks:
		_, err = parseClocks(value)
	case encoding.BucketDiscovery:
		_, err = decodeDiscovery(value)
	case encoding.BucketMarks:
		err = json.Unmarshal(value, &Mark{})
	}
	return err
}

// events reads every event, and follows the chain of the blocks.
func (v *verifying) events() {
	var chain [32]byte
	first, last := v.result.Info.First, v.result.Info.Last
	broken := first > 1 && !v.r.sparse() // in a ring the first block follows one that was dropped
	found, lost := 0, 0
	for from := Seq(1); from <= last; {
		b, value, err := v.r.rawBlock(from)
		if err != nil {
			v.lossy = true
			lost++
			v.lost("block", from, v.r.behind(from, err)-1, err)
			from = v.r.behind(from, err)
			broken = true // the next one's link leads to what cannot be read
			continue
		}
		if b.First >= first || v.r.sparse() {
			if !broken && b.Chain != chain {
				v.lost("chain", b.First, b.Last(), errors.New("the block does not follow the one before"))
			}
			chain, broken = sha256.Sum256(value), false
		}
		v.block(b)
		found++
		from = b.Last() + 1
	}
	if v.r.Damage() != nil {
		return // the index was made from the blocks
	}
	if lost == 0 {
		if err := v.hidden(found); err != nil {
			v.damage("blocks", err)
		}
	}
	if !v.lossy { // it cannot be held against what cannot be read
		v.index.finish(v.damage)
	}
}

// block decodes the events of a block.
func (v *verifying) block(b *block.Block) {
	d := v.r.decoding()
	for i, e := range b.Entries {
		err := v.index.entry(e)
		switch {
		case err != nil:
		case e.Tag&block.TagType == block.TagCoverage:
			var c Coverage
			c, err = b.Coverage(i)
			v.index.ledger = append(v.index.ledger, c)
		case e.IsEvent():
			var ev Event
			if ev, err = d.EventIn(b, e.Seq); err == nil {
				err = v.index.event(&ev)
			}
		}
		if err != nil {
			v.lossy = true
			v.lost("event", e.Seq, e.Seq, err)
		}
	}
}

// lost notes that positions cannot be read, with the times and objects that
// concerns. Neighbours lost for the same reason become one.
func (v *verifying) lost(what string, first, last Seq, err error) {
	if n := len(v.result.Damage); n > 0 {
		before := v.result.Damage[n-1]
		if before.What == what && before.Last+1 == first && before.Err.Error() == err.Error() {
			first, v.result.Damage = before.First, v.result.Damage[:n-1]
		}
	}
	d := &DamageError{What: what, First: first, Last: last, Err: err}
	d.From, d.To = v.r.around(first, last)
	d.Objects = v.r.objectsIn(first, last)
	v.result.Damage = append(v.result.Damage, d)
}

// ending checks digest and signature of a sealed file.
func (v *verifying) ending() {
	if v.result.Info.SHA256 == "" {
		return
	}
	err := v.r.source().View(func(t *boltfile.Tree) error {
		sum, err := digest(t)
		if err == nil && sum != v.result.Info.SHA256 {
			err = fmt.Errorf("it is %s, the seal says %s", sum, v.result.Info.SHA256)
		}
		if err != nil {
			v.damage("digest", err)
		}
		v.result.Signer, err = signer(t)
		if err != nil {
			v.damage("signature", err)
		}
		return nil
	})
	if err != nil {
		v.damage("file", err)
	}
}

// around returns the times of the readable positions next to a range: what
// happened in it happened between them.
func (r *Recording) around(first, last Seq) (from, to time.Time) {
	info := r.Info()
	from, to = info.Start, info.End
	if first > info.First {
		if t, err := r.TimeOf(first - 1); err == nil {
			from = t
		}
	}
	if last < info.Last {
		if t, err := r.TimeOf(last + 1); err == nil {
			to = t
		}
	}
	return from, to
}

// objectsIn returns the objects that have versions in a range, sorted, as far as
// the index knows.
func (r *Recording) objectsIn(first, last Seq) []Ref {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var refs []Ref
	for _, p := range r.parts {
		for _, resource := range p.Resources() {
			_ = p.Each(resource, "", func(ref Ref, versions []index.Version) {
				if heard := index.UpTo(versions, last); len(heard) > 0 && heard[len(heard)-1].Seq >= first {
					refs = append(refs, ref)
				}
			})
		}
	}
	slices.SortFunc(refs, Ref.Compare)
	return slices.Compact(refs)
}
