package store

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/rawjson"
)

func FuzzOpen(f *testing.F) {
	raw, _ := sealed(f)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "fuzz")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _ = readAll(path)
		_, _ = Verify(path)
	})
}

// TestBomb: a small file whose values unpack to much more does not take memory
// for more than a few of them at once.
func TestBomb(t *testing.T) {
	zeros := make([]byte, encoding.MaxSection-1<<20)
	z := encoding.NewEncoder(zstd.SpeedFastest)
	b := block.NewBuilder(1)
	e := Event{Seq: 1, Time: start, Type: watch.Added, Resource: pods, Object: zeros}
	if err := b.AddEvent(&e, &rawjson.Identity{}, 0, block.NewBases(0), &block.Differ{}); err != nil {
		t.Fatal(err)
	}
	value := b.Encode(z, [32]byte{}, 0)
	path := filepath.Join(t.TempDir(), "bomb")
	w, err := Create(path, Header{Start: start}, noSync)
	if err != nil {
		t.Fatal(err)
	}
	w.end.First, w.end.Last = 1, 20
	if err := w.Commit(start); err != nil {
		t.Fatal(err)
	}
	err = w.db.Update(func(tx *bbolt.Tx) error {
		for seq := Seq(1); seq <= 20; seq++ {
			value[33] = byte(seq) // its first position
			if err := encoding.Put(tx, encoding.BucketBlocks, encoding.SeqKey(seq), bytes.Clone(value)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if size := sizeOf(t, path); size > 1<<20 {
		t.Fatalf("the file has %d bytes", size)
	}
	r := open(t, path)
	var most uint64
	n := 0
	for range r.Events(1, 20) {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
		n++
	}
	if n != 20 || most > 1<<30 {
		t.Errorf("%d events took %d MiB at once", n, most>>20)
	}
}
