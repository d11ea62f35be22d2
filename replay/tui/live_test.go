package tui

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/svcspy/svcspy/store"
)

// TestFollowFile shows a file while it is written, on a terminal: it is followed,
// whoever looks back is left alone, a mark waits until the recorder has ended,
// and the end is noticed.
func TestFollowFile(t *testing.T) {
	film := filmed(t)
	info := film.Info()
	path := filepath.Join(t.TempDir(), "live.db")
	w, err := store.Create(path, info.Header)
	if err != nil {
		t.Fatal(err)
	}
	write := func(from, to store.Seq) {
		t.Helper()
		copyInto(t, w, film, from, to)
		at, err := film.TimeOf(to)
		if err == nil {
			err = w.Commit(at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(1, 278)
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o, err := opened(r)
	if err != nil {
		t.Fatal(err)
	}
	o.AddMark = func(k store.Mark) error { return store.AddMark(path, k) }
	p := newTerminal(t)
	done := p.shown(o)
	p.await("LIVE, following")
	p.await("3 of 3 ready")
	write(279, 300)
	p.await("NotServing")
	p.send(":back-far\r")
	p.await("the recording starts here")
	write(301, 310)
	p.send("nnn")
	p.send("mhere\r")
	p.await("marked on this screen")
	p.send("\x1b[F") // End
	copyInto(t, w, film, 311, info.Last)
	if _, err := w.Seal(info.End); err != nil {
		t.Fatal(err)
	}
	p.await("is sealed; marks written into it: 1")
	p.send("q")
	if err := <-done; err != nil {
		t.Error(err)
	}
	p.restored()
	again, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	broken, err := film.TimeOf(281)
	if err != nil {
		t.Fatal(err)
	}
	// Where n led to: nobody was taken to the end meanwhile.
	if marks, err := again.Marks(); err != nil || len(marks) != 1 || marks[0].Text != "here" || !marks[0].Time.Equal(broken) {
		t.Errorf("the recording has the marks %v (%v), want one at %s", marks, err, broken)
	}
	if !again.Info().End.Equal(info.End.Truncate(time.Microsecond)) {
		t.Errorf("the recording ends at %s, not %s", again.Info().End, info.End)
	}
}
