package store

import (
	"errors"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/watch"
)

// TestMarkWhileSealing adds a mark at the moment a recording is sealed and its
// file replaced by a denser one: neither hinders the other, and the mark is not
// lost.
func TestMarkWhileSealing(t *testing.T) {
	for range 30 {
		w, path := create(t, Header{Start: start})
		for n := range 50 {
			if _, err := w.Append(Event{Time: start, Type: watch.Added, Resource: eventsResource, Name: fmt.Sprint(n), Object: []byte(`{"metadata":{}}`)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(start); err != nil {
			t.Fatal(err)
		}
		sealed := make(chan error, 1)
		go func() {
			_, err := w.Seal(start)
			sealed <- err
		}()
		err := ErrInUse
		for errors.Is(err, ErrInUse) {
			err = AddMark(path, Mark{Time: start, Text: "now"})
		}
		if err := errors.Join(err, <-sealed); err != nil {
			t.Fatal(err)
		}
		r := open(t, path)
		if marks, err := r.Marks(); err != nil || len(marks) != 1 {
			t.Fatalf("marks: %v %v", marks, err)
		}
	}
}
