package replay

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/fixtures/incidents"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// TestLiveEqualsRecorded hears every recorded incident anew, as a live trace
// does, into memory, and compares the reports with those from the file, to the
// byte. It looks at every 20th position; SVCSPY_EVERY=1 looks at all.
func TestLiveEqualsRecorded(t *testing.T) {
	every := store.Seq(20)
	if n, err := strconv.ParseUint(os.Getenv("SVCSPY_EVERY"), 10, 32); err == nil && n > 0 {
		every = store.Seq(n)
	}
	all, err := incidents.Load(replaytest.Folder(t))
	if err != nil {
		t.Fatal(err)
	}
	reports := 0
	for _, incident := range all {
		file, err := store.Open(incident.Recording())
		if errors.Is(err, fs.ErrNotExist) {
			continue // written down, and not recorded yet
		}
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		info := file.Info()
		subject, err := ParseSubject(strings.Split(incident.Subject, " "), incident.Namespace, info.Resources)
		if err != nil {
			t.Fatal(err)
		}
		memory := store.NewMemory(info.Header)
		live, recorded := NewCursor(memory), NewCursor(file)
		for seq := info.First; seq <= info.Last; seq++ {
			hear(t, file, memory, seq)
			if seq%every != 0 && seq != info.Last {
				continue
			}
			reports++
			if diff := cmp.Diff(reportAt(t, live, seq, subject), reportAt(t, recorded, seq, subject)); diff != "" {
				t.Fatalf("%s at #%d (-live +recorded):\n%s", incident.Name, seq, diff)
			}
		}
	}
	t.Logf("%d identical reports of %d incidents", reports, len(all))
}

// hear writes what a recording has at one position into memory.
func hear(t *testing.T, file *store.Recording, memory *store.Memory, seq store.Seq) {
	t.Helper()
	e, err := file.Event(seq)
	if err == nil {
		_, err = memory.Append(e)
	} else if errors.Is(err, store.ErrNotEvent) {
		var ledger []store.Coverage
		if ledger, err = file.Ledger(seq, seq); err == nil {
			_, err = memory.Cover(ledger[0])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func reportAt(t *testing.T, c *Cursor, seq store.Seq, subject store.Ref) string {
	t.Helper()
	s, err := c.Seek(seq)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(analyzer.Diagnose(s, subject, analyzer.Options{}))
	if err = errors.Join(err, s.Err()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}
