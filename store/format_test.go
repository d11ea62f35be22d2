package store

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the fixture of the current format, if there is none")

// TestEveryFormatOpens: a recording of each format that was ever released opens
// and says what was written to it.
func TestEveryFormatOpens(t *testing.T) {
	raw, m := sealed(t)
	current := filepath.Join("testdata", "v1.svcspy")
	if _, err := os.Stat(current); *update && errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(current, raw, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("testdata/v*.svcspy")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, path := range files {
		v, err := Verify(path)
		if err != nil || len(v.Damage) > 0 {
			t.Fatalf("%s: %v, %v", path, v.Damage, err)
		}
		m.check(t, open(t, path), []Seq{0, 150, Seq(len(m.events))})
	}
}
