//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/fixtures/hostile/forge"
	"github.com/svcspy/svcspy/store"
)

// TestForgedFiles gives every command files that are forged anew each time, for
// 20 s or for SVCSPY_FORGED. SVCSPY_FORGED_SEED=SEED/FILE makes one of them again
// and gives it to every command.
func TestForgedFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector, which runs with -short, takes memory of its own")
	}
	length := 20 * time.Second
	if text := os.Getenv("SVCSPY_FORGED"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	seed, file, only := uint64(time.Now().UnixNano()), uint64(0), false
	if text := os.Getenv("SVCSPY_FORGED_SEED"); text != "" {
		if _, err := fmt.Sscanf(text, "%d/%d", &seed, &file); err != nil {
			t.Fatal(err)
		}
		only = true
	}
	svcspy := filepath.Join(t.TempDir(), "svcspy")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, svcspy); err != nil {
		t.Fatal(err)
	}
	bases := forgedBases(t)
	runs, turn := 0, 0
	for end := time.Now().Add(length); time.Now().Before(end); file++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "forged.db")
		random := rand.New(rand.NewPCG(seed, file))
		raw := bases[random.IntN(len(bases))]
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		changes, err := forge.File(random, path)
		if err != nil {
			t.Fatal(err)
		}
		forged, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := []string{opening[turn%len(opening)], opening[(turn+1)%len(opening)]}
		if turn += len(lines); only {
			lines = opening
		}
		for _, line := range lines {
			if err := os.WriteFile(path, forged, 0o600); err != nil { // mark may have written to it
				t.Fatal(err)
			}
			limitedRun(t, svcspy, openingArgs(line, path, filepath.Join(dir, fmt.Sprintf("out-%d.db", runs))))
			runs++
			if t.Failed() && !only {
				t.Fatalf("SVCSPY_FORGED_SEED=%d/%d go test ./cmd/svcspy -run TestForgedFiles makes this file again: %q", seed, file, changes)
			}
		}
		if only {
			t.Logf("%q", changes)
			break
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d: %d files, %d commands", seed, file, runs)
}

// openingArgs are the words of a line of opening.
func openingArgs(line, file, out string) []string {
	args := strings.Fields(line)
	for i, word := range args {
		switch word {
		case "FILE":
			args[i] = file
		case "OUT":
			args[i] = out
		}
	}
	return args
}

// forgedBases are small recordings: sealed ones, one that was not sealed, and the
// window of a ring.
func forgedBases(t *testing.T) (bases [][]byte) {
	t.Helper()
	for _, name := range []string{"drain-blocked", "endpoints-late", "external-name"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "incidents", name+".db"))
		if err != nil {
			t.Fatal(err)
		}
		bases = append(bases, raw)
	}
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "endpoints-late.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	info := r.Info()
	ledger, err := r.Ledger(0, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	for _, window := range []time.Duration{0, info.End.Sub(info.Start) / 3} {
		path := filepath.Join(t.TempDir(), "base.db")
		w, err := store.Create(path, info.Header, store.Window(window))
		if err != nil {
			t.Fatal(err)
		}
		changes := ledger
		for e, err := range r.Events(1, info.Last) {
			for err == nil && len(changes) > 0 && changes[0].Seq < e.Seq {
				_, err = w.Cover(changes[0])
				changes = changes[1:]
			}
			if err == nil {
				_, err = w.Append(e)
			}
			if err == nil && e.Seq%20 == 0 {
				err = w.Commit(e.Time)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(info.End); err != nil {
			t.Fatal(err)
		}
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bases = append(bases, raw)
	}
	return bases
}
