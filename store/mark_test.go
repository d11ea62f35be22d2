package store

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

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

// TestSignedMark: the signature of a mark holds for this mark in this recording.
func TestSignedMark(t *testing.T) {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(id string) (string, string) {
		w, path := create(t, Header{ID: id, Start: start})
		if _, err := w.Append(numbered(1)); err != nil {
			t.Fatal(err)
		}
		info, err := w.Seal(start.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return path, info.SHA256
	}
	path, digest := seal("one")
	other, _ := seal("other")
	good := Mark{Time: start, Written: start.Add(time.Hour), Author: "jane", Text: "rolled back"}
	good.Sign(key, digest)
	forged := good
	forged.Text = "never rolled back"
	check := func(what, path string, signers, damage int) {
		t.Helper()
		v, err := Verify(path)
		if err != nil || len(v.MarkSigners) != signers || len(v.Damage) != damage {
			t.Errorf("%s: %d marks are signed, damage %v, %v; want %d and %d", what, len(v.MarkSigners), v.Damage, err, signers, damage)
		}
		for _, signer := range v.MarkSigners {
			if !signer.Equal(public) {
				t.Errorf("%s: signed by %x", what, signer)
			}
		}
	}
	add := func(path string, m Mark) {
		t.Helper()
		if err := AddMark(path, m); err != nil {
			t.Fatal(err)
		}
	}
	add(path, good)
	add(path, good.unsigned())
	check("a signed and an unsigned mark", path, 1, 0)
	cut := filepath.Join(t.TempDir(), "cut")
	h := open(t, path).Info().Header
	if _, err := open(t, path).Excerpt(cut, Excerpt{Header: h, End: start.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	check("a cut", cut, 0, 0)
	add(other, good)
	check("the mark of another recording", other, 0, 1)
	add(path, forged)
	check("a mark that was changed", path, 1, 1)
}
