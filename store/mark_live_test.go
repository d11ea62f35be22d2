package store

import (
	"testing"
	"time"
)

// TestMarkWhileWritten marks a recording that is being written: whoever reads it
// meanwhile sees the marks, and they are there when it is sealed.
func TestMarkWhileWritten(t *testing.T) {
	w, path := create(t, Header{Start: start})
	for n := 1; n <= 20; n++ {
		if _, err := w.Append(numbered(n)); err != nil {
			t.Fatal(err)
		}
		marked := make(chan error, 1)
		go func() { marked <- w.Mark(Mark{Time: start.Add(time.Duration(n) * time.Second), Text: "m"}) }()
		if err := w.Commit(numbered(n).Time); err != nil {
			t.Fatal(err)
		}
		if err := <-marked; err != nil {
			t.Fatal(err)
		}
	}
	reader := open(t, path)
	if marks, err := reader.Marks(); err != nil || len(marks) != 20 {
		t.Errorf("while it is written there are %d marks, %v", len(marks), err)
	}
	if _, err := w.Seal(numbered(20).Time); err != nil {
		t.Fatal(err)
	}
	checkNumbered(t, path, 20)
	if v, err := Verify(path); err != nil || len(v.Damage) > 0 {
		t.Errorf("verify: %v %v", v.Damage, err)
	}
	if marks, err := open(t, path).Marks(); err != nil || len(marks) != 20 {
		t.Errorf("sealed, there are %d marks, %v", len(marks), err)
	}
}
