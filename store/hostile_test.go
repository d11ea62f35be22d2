package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
)

// craft writes a recording and changes it as somebody would who knows the
// format: checksums are right.
func craft(t *testing.T, events int, change func(tx *bbolt.Tx) error) string {
	t.Helper()
	w, path := create(t, Header{Start: start})
	for n := 1; n <= events; n++ {
		if _, err := w.Append(numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Seal(numbered(events).Time); err != nil {
		t.Fatal(err)
	}
	rewrite(t, path, change)
	return path
}

// within fails if f takes longer than it may.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s does not end", what)
	}
}

// TestLastPositions: a block at the end of all positions ends reading too.
func TestLastPositions(t *testing.T) {
	const last = ^uint64(0)
	path := craft(t, 2, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(encoding.BucketBlocks))
		k, v := b.Cursor().First()
		value := bytes.Clone(v[:len(v)-4])
		k = bytes.Clone(k)
		binary.LittleEndian.PutUint64(value[33:], last-1)
		end, err := json.Marshal(seal{ending: ending{First: 1, Last: Seq(last), Events: 2}})
		return errors.Join(err, b.Delete(k), encoding.Put(tx, encoding.BucketBlocks, encoding.SeqKey(Seq(last-1)), value), encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeySeal), end))
	})
	within(t, time.Minute, "reading", func() {
		events, _, _ := readAll(path) // perhaps what lies on pages that were freed
		if len(events) > 2 {
			t.Errorf("%d events", len(events))
		}
		if v, err := Verify(path); err == nil && len(v.Damage) == 0 {
			t.Error("verify finds nothing")
		}
	})
}

// TestLastPosition: the end says that there are more positions than can be.
func TestLastPosition(t *testing.T) {
	path := craft(t, 20, func(tx *bbolt.Tx) error {
		end, err := json.Marshal(seal{ending: ending{First: 1, Last: 1 << 61, Events: 20}})
		return errors.Join(err, encoding.Put(tx, encoding.BucketHead, []byte(encoding.KeySeal), end))
	})
	within(t, time.Minute, "reading", func() {
		if _, failed, err := readAll(path); err == nil && len(failed) == 0 {
			t.Error("no error")
		}
		if v, err := Verify(path); err == nil && len(v.Damage) == 0 {
			t.Error("verify finds nothing")
		}
	})
}

// TestHugeObjects: a small file does not hold what takes a cluster's memory.
func TestHugeObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("240 MiB are packed: too slow under the race detector")
	}
	w, path := create(t, Header{Start: start})
	text := strings.Repeat("x", 6<<20)
	for n := range 40 {
		e := Event{Time: start, Type: watch.Added, Resource: pods, Name: strings.Repeat("n", n+1)}
		e.Object = []byte(`{"metadata":{"name":"` + e.Name + `"},"text":"` + text + `"}`)
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		if err := w.commit(start, true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Seal(start); err != nil {
		t.Fatal(err)
	}
	read, refused := 0, 0
	for e, err := range open(t, path).Events(1, 40) {
		switch {
		case err == nil:
			read += len(e.Object)
		case errors.Is(err, ErrTooLarge):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if size := sizeOf(t, path); size > 1<<20 || refused == 0 || read > 100<<20 {
		t.Errorf("of a file of %d bytes %d bytes of objects were read and %d objects refused", size, read, refused)
	}
}

// TestMarkOnDamage: a mark is added to a file only if bbolt can write to it, and
// what is wrong otherwise is said.
func TestMarkOnDamage(t *testing.T) {
	raw, _ := sealed(t)
	path := filepath.Join(t.TempDir(), "damaged")
	for at := 2 * boltfile.PageSize; at+boltfile.PageSize <= len(raw); at += boltfile.PageSize {
		for _, field := range []int{0, 8, 10, 12, boltfile.PageHeader + 4, boltfile.PageHeader + 8, boltfile.PageHeader + 12} {
			changed := bytes.Clone(raw)
			changed[at+field] ^= 0x41
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			err := AddMark(path, Mark{Text: "x"})
			after := readFile(t, path)
			if err != nil && (!errors.Is(err, ErrDamaged) || !bytes.Equal(after, changed)) {
				t.Fatalf("page %d, byte %d: %v; the file was changed: %v", at/boltfile.PageSize, field, err, !bytes.Equal(after, changed))
			}
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
