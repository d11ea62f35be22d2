package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/svcspy/svcspy/fixtures/hostile/forge"
)

// forgedTime is how long forged files are made: SVCSPY_FORGED, or the default.
func forgedTime(t *testing.T, usual time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("SVCSPY_FORGED")
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestForgedFiles reads files that were forged in many places: reading ends, takes
// no more memory than a small file may, and where Verify finds nothing, nothing
// else does.
func TestForgedFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector, which runs with -short, takes memory of its own")
	}
	raw, _ := sealed(t)
	seed := uint64(time.Now().UnixNano())
	var only, from uint64
	if text := os.Getenv("SVCSPY_FORGED_SEED"); text != "" { // SEED, or SEED/FILE
		if n, _ := fmt.Sscanf(text, "%d/%d", &seed, &only); n == 0 {
			t.Fatalf("SVCSPY_FORGED_SEED=%s", text)
		}
		from = only
	}
	path := filepath.Join(t.TempDir(), "forged")
	damaged, refused, n := 0, 0, from
	for end := time.Now().Add(forgedTime(t, 3*time.Second)); time.Now().Before(end); n++ {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		changes, err := forge.File(rand.New(rand.NewPCG(seed, n)), path)
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("SVCSPY_FORGED_SEED=%d/%d %q", seed, n, changes)
		within(t, time.Minute, what, func() {
			_, failed, err := readAll(path)
			v, verr := Verify(path)
			switch {
			case err != nil || verr != nil:
				if (err == nil) != (verr == nil) {
					t.Errorf("%s: open: %v, verify: %v", what, err, verr)
				}
				refused++
			case len(v.Damage) > 0:
				damaged++
			case len(failed) > 0:
				t.Errorf("%s: verify finds nothing, but reading fails: %v", what, failed)
			}
		})
		var m runtime.MemStats
		if runtime.ReadMemStats(&m); m.Sys > 1<<30 {
			t.Fatalf("%s: %d MiB", what, m.Sys>>20)
		}
		if t.Failed() || only != 0 {
			break
		}
	}
	t.Logf("seed %d: of %d files %d were damaged, %d refused", seed, n-from, damaged, refused)
}
