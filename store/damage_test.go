package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
)

// sealed writes a small recording of some corpus events, with small blocks, and
// returns its bytes and the events.
func sealed(t testing.TB) ([]byte, *model) {
	t.Helper()
	w, path := create(t, Header{ID: "test", Start: start})
	m := &model{start: start}
	events := loadCorpus(t, corpus.Rollout(), 1500)
	for i, e := range events {
		if i%5 != 0 {
			continue
		}
		if i%100 == 0 {
			c := Coverage{Time: e.Time, Resource: e.Resource, Status: Current, Reason: "test"}
			if _, err := w.Cover(c); err != nil {
				t.Fatal(err)
			}
			m.cover(c)
		}
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		m.append(e)
		if i%250 == 0 {
			if err := w.commit(e.Time, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Seal(events[len(events)-1].Time); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw, m
}

// readAll reads everything of a file that opens, and returns the events that
// could be read.
func readAll(path string) (events map[Seq]Event, failed []error, err error) {
	r, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	events = map[Seq]Event{}
	for e, err := range r.Events(1, r.Info().Last) {
		if err != nil {
			failed = append(failed, err)
			continue
		}
		events[e.Seq] = e
	}
	if _, err := r.Find(Query{}, r.Info().Last); err != nil {
		failed = append(failed, err)
	}
	if _, err := r.Find(Query{Labels: map[string]string{"app": "nginx"}}, r.Info().Last); err != nil {
		failed = append(failed, err)
	}
	if _, err := r.SeqAt(r.Info().End); err != nil {
		failed = append(failed, err)
	}
	return events, failed, nil
}

// contains fails if an event is not as it was written.
func (m *model) contains(t *testing.T, what string, events map[Seq]Event) {
	t.Helper()
	for seq, got := range events {
		want := m.events[seq-1]
		if !same(want, got) {
			t.Fatalf("%s: event %d (-want +got):\n%s", what, seq, cmp.Diff(want, got))
		}
	}
}

// same is quicker than cmp.Diff, which prints.
func same(a, b Event) bool {
	if !bytes.Equal(a.Object, b.Object) {
		return false
	}
	a.Object, b.Object = nil, nil
	return reflect.DeepEqual(a, b)
}

// TestFlippedBytes changes bytes of a sealed file, one at a time: Verify must
// say so, or nothing in the recording has changed; and whatever is read must be
// what was written.
func TestFlippedBytes(t *testing.T) {
	raw, m := sealed(t)
	seed := uint64(time.Now().UnixNano())
	flips := 150
	if testing.Short() {
		seed, flips = 1, 60
	}
	t.Logf("seed %d, %d bytes", seed, len(raw))
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "flipped")
	if os.Getenv("SVCSPY_LONG") != "" {
		flips = 20 * len(raw) / 100
	}
	unused, lost := 0, 0
	for n := range flips {
		at := random.IntN(len(raw))
		if n < 100 && n%2 == 0 {
			at = random.IntN(8 * 4096) // the head of the tree is small and matters most
		}
		bit := byte(1) << random.IntN(8)
		changed := append([]byte(nil), raw...)
		changed[at] ^= bit
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		events, failed, err := readAll(path)
		if err != nil {
			t.Fatalf("byte %d bit %#x: does not open: %v", at, bit, err)
		}
		m.contains(t, fmt.Sprintf("byte %d bit %#x", at, bit), events)
		v, err := Verify(path)
		if err != nil {
			t.Fatalf("byte %d bit %#x: %v", at, bit, err)
		}
		if len(events)+len(m.ledger) < len(m.events) {
			lost++
			if len(failed) == 0 {
				t.Fatalf("byte %d bit %#x: events missing without an error", at, bit)
			}
		}
		if len(v.Damage) > 0 {
			continue
		}
		unused++
		if len(failed) > 0 || len(events)+len(m.ledger) != len(m.events) {
			t.Fatalf("byte %d bit %#x: Verify found nothing, but reading fails: %v", at, bit, failed)
		}
	}
	t.Logf("%d of %d flips are in unused bytes, %d lose events", unused, flips, lost)
	if unused == flips {
		t.Fatal("no damage found at all: Verify is broken")
	}
}

// TestTruncated cuts a sealed file anywhere.
func TestTruncated(t *testing.T) {
	raw, m := sealed(t)
	path := filepath.Join(t.TempDir(), "cut")
	for n := 0; n < len(raw); n += len(raw)/40 + 7 {
		if err := os.WriteFile(path, raw[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		events, _, err := readAll(path)
		if err != nil {
			if !errors.Is(err, ErrNotRecording) && !errors.Is(err, ErrDamaged) {
				t.Fatalf("%d bytes: %v", n, err)
			}
			continue
		}
		m.contains(t, fmt.Sprintf("%d bytes", n), events)
		v, err := Verify(path)
		if err != nil || len(v.Damage) == 0 {
			t.Fatalf("%d of %d bytes: verified as %+v, %v", n, len(raw), v, err)
		}
	}
}

func TestVerifyNamesTheDamage(t *testing.T) {
	raw, m := sealed(t)
	path := filepath.Join(t.TempDir(), "test")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := Verify(path)
	if err != nil || len(v.Damage) > 0 || !v.Info.Closed || v.Info.Last != Seq(len(m.events)) {
		t.Fatalf("a file as it was written: %+v, %v", v, err)
	}
	// Destroy the middle of the second block.
	var first, last Seq
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(encoding.BucketBlocks))
		c := b.Cursor()
		c.First()
		k, value := c.Next()
		blk, err := block.Parse(value[:len(value)-4])
		if err != nil {
			return err
		}
		first, last = blk.First, blk.Last()
		value = append([]byte(nil), value...)
		value[len(value)/2] ^= 1
		return b.Put(append([]byte(nil), k...), value)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	v, err = Verify(path)
	if err != nil {
		t.Fatal(err)
	}
	var found *DamageError
	for _, d := range v.Damage {
		if d.What == "block" {
			found = d
		}
	}
	if found == nil || found.First != first || found.Last != last || len(found.Objects) == 0 {
		t.Fatalf("damage %+v, want the block of %d to %d with its objects", v.Damage, first, last)
	}
	if found.From.After(m.events[first-1].Time) || found.To.Before(m.events[last-1].Time) {
		t.Errorf("times %s to %s do not contain %s to %s", found.From, found.To, m.events[first-1].Time, m.events[last-1].Time)
	}
	// The rest is readable, and everything can still be found.
	r := open(t, path)
	if _, err := r.Event(first); !errors.Is(err, ErrDamaged) {
		t.Errorf("event in the damaged block: %v", err)
	}
	if e, err := r.Event(2); err != nil || cmp.Diff(m.events[1], e) != "" {
		t.Errorf("event before it: %v", err)
	}
	seqs, err := r.Find(Query{}, last)
	if d := cmp.Diff(m.find(Query{}, m.current(last)), seqs); err != nil || d != "" {
		t.Errorf("find over the damaged block: %v (-want +got):\n%s", err, d)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("key"))
		if err != nil {
			return err
		}
		return b.Put([]byte("a"), []byte("b"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	format := func(name string, value []byte) string {
		path := filepath.Join(dir, name)
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: boltfile.PageSize})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			if _, err := tx.CreateBucket([]byte(encoding.BucketHead)); err != nil {
				return err
			}
			return encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeyFormat), value)
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	later := encodeFormat()
	later[len(formatMagic)]++
	needs := encodeFormat()
	needs[len(formatMagic)+4] |= 2
	for name, test := range map[string]struct {
		path string
		want error
	}{
		"nothing there":      {filepath.Join(dir, "none"), os.ErrNotExist},
		"empty":              {write("empty", nil), ErrNotRecording},
		"text":               {write("text", []byte(strings.Repeat("kind: Pod\n", 5000))), ErrNotRecording},
		"another bbolt file": {foreign, ErrNotRecording},
		"another magic":      {format("magic", append([]byte("X"), encodeFormat()...)), ErrNotRecording},
		"a later version":    {format("later", later), ErrVersion},
		"a needed feature":   {format("needs", needs), ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			for what, use := range map[string]func() error{
				"open":   func() error { _, err := Open(test.path); return err },
				"verify": func() error { _, err := Verify(test.path); return err },
				"mark":   func() error { return AddMark(test.path, Mark{Text: "x"}) },
			} {
				if err := use(); !errors.Is(err, test.want) {
					t.Errorf("%s: %v, want %v", what, err, test.want)
				} else if what == "open" {
					t.Log(fmt.Sprint(err))
				}
			}
		})
	}
}
