package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/rawjson"
)

// reseal computes the digest anew, as a forger does.
func reseal(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var s seal
	err = boltfile.File{ReaderAt: file}.View(func(t *boltfile.Tree) error {
		value, err := t.Value(encoding.BucketHead, []byte(encoding.KeySeal))
		if err == nil && value != nil {
			err = json.Unmarshal(value, &s)
		}
		if err == nil {
			s.Digest, err = digest(t)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	value, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, path, func(tx *bbolt.Tx) error {
		return encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeySeal), value)
	})
}

// rewrite changes a file in one transaction.
func rewrite(t *testing.T, path string, do func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, PageSize: boltfile.PageSize})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(do), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// first returns the first key and value of a bucket.
func first(tx *bbolt.Tx, bucket string) (k, v []byte) {
	k, v = tx.Bucket([]byte(bucket)).Cursor().First()
	return bytes.Clone(k), bytes.Clone(v[:len(v)-4])
}

// TestForgedIndex: an index that says something else than the blocks is damage,
// though every checksum and the digest are right.
func TestForgedIndex(t *testing.T) {
	raw, _ := sealed(t)
	z := encoding.NewEncoder(zstd.SpeedFastest)
	objects := func(edit func(p *index.ObjectPage)) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			k, v := first(tx, encoding.BucketObjects)
			p, err := index.ParseObjects(v, 1)
			if err != nil {
				return err
			}
			edit(p)
			return encoding.Put(tx, encoding.BucketObjects, k, index.EncodeObjects(z, p, 1))
		}
	}
	terms := func(edit func(p *index.TermPage)) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			k, v := first(tx, encoding.BucketTerms)
			p, err := index.ParseTerms(v)
			if err != nil {
				return err
			}
			edit(p)
			return encoding.Put(tx, encoding.BucketTerms, k, index.EncodeTerms(z, p))
		}
	}
	head := func(edit func(r *index.Segment)) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			k, v := first(tx, encoding.BucketRuns)
			r, err := index.ParseSegment(0, v)
			if err != nil {
				return err
			}
			edit(r)
			return encoding.Put(tx, encoding.BucketRuns, k, r.Encode(z))
		}
	}
	for name, test := range map[string]struct {
		forge func(*bbolt.Tx) error
		what  string
	}{
		"an object is gone":         {objects(func(p *index.ObjectPage) { p.Versions[0][len(p.Versions[0])-1].State = index.Gone }), "index"},
		"an object was deleted":     {objects(func(p *index.ObjectPage) { p.Versions[1][0].State = index.Deleted }), "index"},
		"a version at another time": {objects(func(p *index.ObjectPage) { p.Versions[0][0].Seq++ }), "index"},
		"an object less": {objects(func(p *index.ObjectPage) {
			p.Refs, p.Versions = slices.Delete(p.Refs, 1, 2), slices.Delete(p.Versions, 1, 2)
		}), "index"},
		"an object more": {objects(func(p *index.ObjectPage) {
			last := p.Refs[len(p.Refs)-1]
			last.Name += "x"
			p.Refs, p.Versions = append(p.Refs, last), append(p.Versions, []index.Version{{Seq: 9, State: index.Present}})
		}), "index"},
		"another name":         {objects(func(p *index.ObjectPage) { p.Refs[len(p.Refs)-1].Name += "x" }), "index"},
		"another namespace":    {objects(func(p *index.ObjectPage) { p.Refs[len(p.Refs)-1].Namespace += "x" }), "index"},
		"a label":              {terms(func(p *index.TermPage) { p.Terms[len(p.Terms)-1].Attr += "x" }), "index"},
		"labelled later":       {terms(func(p *index.TermPage) { p.Postings[0][0].Start++ }), "index"},
		"no longer labelled":   {terms(func(p *index.TermPage) { p.Postings[0][0].End = len("versions") }), "index"},
		"another object's":     {terms(func(p *index.TermPage) { p.Postings[0][0].Rank++ }), "index"},
		"pages elsewhere":      {head(func(r *index.Segment) { r.Objects[0].Name = "0" }), "index"},
		"ranks elsewhere":      {head(func(r *index.Segment) { r.Ranks[0]++ }), "index"},
		"terms elsewhere":      {head(func(r *index.Segment) { r.Terms[0].Namespace = "" }), "index"},
		"a gap that was none":  {head(func(r *index.Segment) { r.Ledger[0].Status = Gap }), "ledger"},
		"a gap that is hidden": {head(func(r *index.Segment) { r.Ledger = r.Ledger[:len(r.Ledger)-1] }), "ledger"},
		"another beginning": {head(func(r *index.Segment) {
			r.Ticks[0].Time = r.Ticks[0].Time.Add(-time.Hour)
			r.Times[0] -= int64(time.Hour / time.Microsecond)
		}), "ticks"},
		"no beginning": {head(func(r *index.Segment) { r.Ticks = r.Ticks[1:] }), "ticks"},
		"fewer events": {func(tx *bbolt.Tx) error {
			_, v := first(tx, encoding.BucketHead) // "end" is the first
			var e ending
			err := json.Unmarshal(v, &e)
			e.Last, e.Events = e.Last-1, e.Events-1
			value, failed := json.Marshal(seal{ending: e})
			return errors.Join(err, failed, encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeySeal), value))
		}, encoding.KeyEnd},
		"a block within another": {func(tx *bbolt.Tx) error {
			_, v := first(tx, encoding.BucketBlocks)
			b, err := block.Parse(v)
			if err != nil {
				return err
			}
			other := block.NewBuilder(b.First + 5)
			id := rawjson.Identity{}
			for n := range Seq(2) {
				e := numbered(int(n + 1))
				e.Seq = b.First + 5 + n
				err = errors.Join(err, other.AddEvent(&e, &id, 0, block.NewBases(0), &block.Differ{}))
			}
			return errors.Join(err, encoding.Put(tx, encoding.BucketBlocks, encoding.SeqKey(other.First), other.Encode(z, [32]byte{}, 0)))
		}, "blocks"},
		"a block under another key": {func(tx *bbolt.Tx) error {
			k, v := first(tx, encoding.BucketBlocks)
			return errors.Join(tx.Bucket([]byte(encoding.BucketBlocks)).Delete(k), encoding.Put(tx, encoding.BucketBlocks, encoding.SeqKey(0), v))
		}, "block"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "forged")
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			reseal(t, path)
			if v, err := Verify(path); err != nil || len(v.Damage) > 0 {
				t.Fatalf("nothing was forged: %v, %v", v.Damage, err)
			}
			rewrite(t, path, test.forge)
			reseal(t, path)
			v, err := Verify(path)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, d := range v.Damage {
				found = append(found, d.What)
				t.Log(d)
			}
			if !slices.Contains(found, test.what) {
				t.Errorf("damage to %q, want %q among it", strings.Join(found, ", "), test.what)
			}
		})
	}
}

// TestForgedTrail: the same of the index of a recording that was not sealed.
func TestForgedTrail(t *testing.T) {
	w, path := create(t, Header{Start: start})
	for n := 1; n <= 9; n++ {
		if _, err := w.Append(numbered(n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(numbered(n).Time); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if v, err := Verify(path); err != nil || len(v.Damage) > 0 {
		t.Fatalf("nothing was forged: %v, %v", v.Damage, err)
	}
	rewrite(t, path, func(tx *bbolt.Tx) error {
		k, v := first(tx, encoding.BucketTrail)
		one, err := index.ParseCommit(v)
		if err != nil {
			return err
		}
		one.Changes[0].State = index.Deleted
		return encoding.Put(tx, encoding.BucketTrail, k, one.Encode(encoding.NewEncoder(zstd.SpeedFastest)))
	})
	v, err := Verify(path)
	if err != nil || len(v.Damage) != 1 || v.Damage[0].What != "index" {
		t.Errorf("damage %v, %v; want that of the index", v.Damage, err)
	}
}

// TestListAcrossWindow: in a ring, a list began before the window and ended in
// it: what it did not name is gone, and Verify does not call that damage.
func TestListAcrossWindow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	w, err := Create(path, Header{Start: start}, Window(8*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	step := func(n int, e Event) {
		t.Helper()
		e.Time = at(n)
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		if err := w.commit(e.Time, true); err != nil {
			t.Fatal(err)
		}
		if err := w.trim(e.Time); err != nil {
			t.Fatal(err)
		}
	}
	stays, goes := numbered(1), numbered(2)
	stays.Resource, goes.Resource = pods, pods
	stays.Namespace, goes.Namespace = "a", "a"
	stays.Name, goes.Name = "stays", "goes"
	step(1, goes)
	step(2, stays)
	step(3, Event{Type: Relist, Resource: pods})
	step(4, stays)
	for n := 5; n < 14; n++ {
		other := numbered(n)
		other.Resource = nodes
		step(n, other)
	}
	step(14, Event{Type: "BOOKMARK", Resource: pods, Object: []byte(`{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}`)})
	step(15, numbered(15))
	if _, err := w.Seal(at(15)); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	if first := r.Info().First; first < 4 || first > 13 {
		t.Fatalf("the window begins at %d, not within the list", first)
	}
	history, err := r.History(goes.Ref(), r.Info().Last)
	if err != nil || len(history) != 1 {
		t.Fatalf("history of what goes: %v, %v", history, err)
	}
	found, err := r.Find(Query{Resource: pods}, r.Info().Last)
	if err != nil || !slices.Contains(found, 4) || slices.Contains(found, 1) {
		t.Errorf("in the end there is %v, %v; want 4 and not 1", found, err)
	}
	if v, err := Verify(path); err != nil || len(v.Damage) > 0 {
		t.Errorf("verify: %v, %v", v.Damage, err)
	}
}
