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
	err = fileAt{ReaderAt: file}.view(func(t *tree) error {
		value, err := t.value(bucketHead, []byte(keySeal))
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
	rewrite(t, path, func(tx *bbolt.Tx) error { return put(tx, bucketHead, []byte(keySeal), value) })
}

// rewrite changes a file in one transaction.
func rewrite(t *testing.T, path string, do func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, PageSize: pageSize})
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
	z := newEncoder(zstd.SpeedFastest)
	objects := func(edit func(p *objectPage)) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			k, v := first(tx, bucketObjects)
			p, err := parseObjects(v, 1)
			if err != nil {
				return err
			}
			edit(p)
			return put(tx, bucketObjects, k, encodeObjects(z, p, 1))
		}
	}
	terms := func(edit func(p *termPage)) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			k, v := first(tx, bucketTerms)
			p, err := parseTerms(v)
			if err != nil {
				return err
			}
			edit(p)
			return put(tx, bucketTerms, k, encodeTerms(z, p))
		}
	}
	head := func(edit func(r *run)) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			k, v := first(tx, bucketRuns)
			r, err := parseRun(0, v)
			if err != nil {
				return err
			}
			edit(r)
			return put(tx, bucketRuns, k, r.encode(z))
		}
	}
	for name, test := range map[string]struct {
		forge func(*bbolt.Tx) error
		what  string
	}{
		"an object is gone":         {objects(func(p *objectPage) { p.versions[0][len(p.versions[0])-1].state = gone }), "index"},
		"an object was deleted":     {objects(func(p *objectPage) { p.versions[1][0].state = deleted }), "index"},
		"a version at another time": {objects(func(p *objectPage) { p.versions[0][0].seq++ }), "index"},
		"an object less": {objects(func(p *objectPage) {
			p.refs, p.versions = slices.Delete(p.refs, 1, 2), slices.Delete(p.versions, 1, 2)
		}), "index"},
		"an object more": {objects(func(p *objectPage) {
			last := p.refs[len(p.refs)-1]
			last.Name += "x"
			p.refs, p.versions = append(p.refs, last), append(p.versions, []version{{9, present}})
		}), "index"},
		"another name":         {objects(func(p *objectPage) { p.refs[len(p.refs)-1].Name += "x" }), "index"},
		"another namespace":    {objects(func(p *objectPage) { p.refs[len(p.refs)-1].Namespace += "x" }), "index"},
		"a label":              {terms(func(p *termPage) { p.terms[len(p.terms)-1].attr += "x" }), "index"},
		"labelled later":       {terms(func(p *termPage) { p.postings[0][0].start++ }), "index"},
		"no longer labelled":   {terms(func(p *termPage) { p.postings[0][0].end = len("versions") }), "index"},
		"another object's":     {terms(func(p *termPage) { p.postings[0][0].rank++ }), "index"},
		"pages elsewhere":      {head(func(r *run) { r.objects[0].Name = "0" }), "index"},
		"ranks elsewhere":      {head(func(r *run) { r.ranks[0]++ }), "index"},
		"terms elsewhere":      {head(func(r *run) { r.terms[0].namespace = "" }), "index"},
		"a gap that was none":  {head(func(r *run) { r.ledger[0].Status = Gap }), "ledger"},
		"a gap that is hidden": {head(func(r *run) { r.ledger = r.ledger[:len(r.ledger)-1] }), "ledger"},
		"another beginning": {head(func(r *run) {
			r.ticks[0].time = r.ticks[0].time.Add(-time.Hour)
			r.times[0] -= int64(time.Hour / time.Microsecond)
		}), "ticks"},
		"no beginning": {head(func(r *run) { r.ticks = r.ticks[1:] }), "ticks"},
		"fewer events": {func(tx *bbolt.Tx) error {
			_, v := first(tx, bucketHead) // "end" is the first
			var e ending
			err := json.Unmarshal(v, &e)
			e.Last, e.Events = e.Last-1, e.Events-1
			value, failed := json.Marshal(seal{ending: e})
			return errors.Join(err, failed, put(tx, bucketHead, []byte(keySeal), value))
		}, keyEnd},
		"a block within another": {func(tx *bbolt.Tx) error {
			_, v := first(tx, bucketBlocks)
			b, err := parseBlock(v)
			if err != nil {
				return err
			}
			other := newBuilder(b.first + 5)
			id := identity{}
			for n := range Seq(2) {
				e := numbered(int(n + 1))
				e.Seq = b.first + 5 + n
				err = errors.Join(err, other.addEvent(&e, &id, 0, newVersions(0), &differ{}))
			}
			return errors.Join(err, put(tx, bucketBlocks, seqKey(other.first), other.encode(z, [32]byte{}, 0)))
		}, "blocks"},
		"a block under another key": {func(tx *bbolt.Tx) error {
			k, v := first(tx, bucketBlocks)
			return errors.Join(tx.Bucket([]byte(bucketBlocks)).Delete(k), put(tx, bucketBlocks, seqKey(0), v))
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
		k, v := first(tx, bucketTrail)
		one, err := parseTrail(v)
		if err != nil {
			return err
		}
		one.changes[0].state = deleted
		return put(tx, bucketTrail, k, one.encode(newEncoder(zstd.SpeedFastest)))
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
