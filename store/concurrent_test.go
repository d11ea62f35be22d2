package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// pausedFile is a recording's file of which one read of the meta pages waits,
// after it was done, until it is released.
type pausedFile struct {
	io.ReaderAt
	mu     sync.Mutex
	after  int // reads of the meta pages until the one that waits
	paused chan struct{}
	resume chan struct{}
}

func (f *pausedFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(b, at)
	if at == 0 {
		f.mu.Lock()
		f.after--
		wait := f.after == 0
		f.mu.Unlock()
		if wait {
			close(f.paused)
			<-f.resume
		}
	}
	return n, err
}

// TestRefreshTwice holds one refresh between what it read and what it makes of
// it, while the writer goes on and a second refresh begins: no transaction is
// taken up twice, and none undone by an older one.
func TestRefreshTwice(t *testing.T) {
	w, path := create(t, Header{Start: start})
	add := func(n int) {
		t.Helper()
		e := numbered(1)
		e.Time = start.Add(time.Duration(n) * time.Millisecond)
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(e.Time); err != nil {
			t.Fatal(err)
		}
	}
	add(1)
	r := open(t, path)
	add(2)
	file := &pausedFile{ReaderAt: r.file, after: 2, paused: make(chan struct{}), resume: make(chan struct{})}
	r.at.ReaderAt = file
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- r.refresh() }()
	<-file.paused
	add(3)
	go func() { second <- r.refresh() }()
	var err error
	select {
	case err = <-second: // it did not wait for the first
		second <- nil
	case <-time.After(100 * time.Millisecond):
	}
	close(file.resume)
	if err := errors.Join(err, <-first, <-second); err != nil {
		t.Fatal(err)
	}
	if err := r.refresh(); err != nil {
		t.Fatal(err)
	}
	history, err := r.History(numberedRef(1), 3)
	if want := []Seq{1, 2, 3}; err != nil || r.Info().Last != 3 || !slices.Equal(history, want) {
		t.Errorf("last %d, history %v, %v; want 3, %v", r.Info().Last, history, err, want)
	}
}

func numberedRef(n int) Ref {
	e := numbered(n)
	return e.Ref()
}

// TestConcurrent uses one recording from several goroutines while it is
// written: what each is told is what was written.
func TestConcurrent(t *testing.T) {
	const events = 3000
	w, path := create(t, Header{Start: start})
	if err := w.Commit(start); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	written := make(chan error, 1)
	go func() { written <- writeNumbered(w, events) }()

	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() { followNumbered(t, r) })
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	readers.Wait()
	if last := r.Info().Last; last != events || !r.Info().Closed {
		t.Errorf("last %d, closed %v", last, r.Info().Closed)
	}
}

func writeNumbered(w *Writer, events int) error {
	for n := 1; n <= events; n++ {
		if _, err := w.Append(numbered(n)); err != nil {
			return err
		}
		if n%7 == 0 {
			if err := w.Commit(numbered(n).Time); err != nil {
				return err
			}
		}
	}
	_, err := w.Seal(numbered(events).Time)
	return err
}

// followNumbered reads to the end what writeNumbered writes.
func followNumbered(t *testing.T, r *Recording) {
	for seen := Seq(0); ; {
		err := r.Wait(context.Background(), seen)
		if err == io.EOF {
			return
		}
		if err == nil {
			err = r.refresh()
		}
		if err != nil {
			t.Error(err)
			return
		}
		last := r.Info().Last
		history, err := r.History(numberedRef(1), last)
		if err != nil || len(history) != (int(last)+96)/97 || !slices.IsSorted(history) {
			t.Errorf("history at %d: %v, %v", last, history, err)
			return
		}
		found, err := r.Find(Query{Resource: pods, Labels: map[string]string{"app": "app-1"}}, last)
		if err != nil {
			t.Error(err)
			return
		}
		for _, seq := range found {
			if seq%7 != 1 {
				t.Errorf("Find(app=app-1) at %d: event %d", last, seq)
				return
			}
		}
		for e, err := range r.Events(seen+1, last) {
			seen++
			if want := numbered(int(seen)); err != nil || e.Seq != seen || string(e.Object) != string(want.Object) {
				t.Errorf("event %d: %v %v", seen, e.Seq, err)
				return
			}
		}
	}
}

// TestOpenAtOnce opens recordings at the instant of their creation: none is
// taken for damaged or for given up.
func TestOpenAtOnce(t *testing.T) {
	dir := t.TempDir()
	for i := range 60 {
		path := filepath.Join(dir, string(rune('a'+i)))
		opened := make(chan error, 1)
		go func() {
			r, err := openOnceThere(path)
			if err == nil {
				defer r.Close()
				err = errors.Join(r.Damage(), r.Wait(context.Background(), 0))
			}
			opened <- err
		}()
		w, err := Create(path, Header{Start: start})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = w.Append(numbered(1)); err == nil {
			err = w.Commit(start)
		}
		if err := errors.Join(err, <-opened, w.Abort()); err != nil {
			t.Fatalf("try %d: %v", i, err)
		}
	}
}

// openOnceThere opens a file as soon as there is one of that name.
func openOnceThere(path string) (*Recording, error) {
	for {
		r, err := Open(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
	}
}
