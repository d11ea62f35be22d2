package main

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

// recordGate puts a recording through gate A, as if it were recorded now.
type recordGate struct{ *redact.Policy }

func (g recordGate) Event(e *store.Event) (err error) {
	if len(e.Object) > 0 {
		e.Object, err = g.Object(nil, e.Resource, e.Object)
	}
	return err
}

func (g recordGate) Coverage(c *store.Coverage) error {
	if c.Reason != store.Stopped {
		c.Reason = g.Text(c.Reason)
	}
	return nil
}

// TestShapeKeepsTheVerdicts: what the policy takes out is nothing that a diagnosis
// needs: each recording tells the same story when it has gone through it.
func TestShapeKeepsTheVerdicts(t *testing.T) {
	everyRecording(t, func(t *testing.T, path string, r *store.Recording) {
		if testing.Short() && number(path)%7 != 0 {
			t.Skip("one in seven, with -short")
		}
		out := filepath.Join(t.TempDir(), "shape.db")
		info := r.Info()
		x := store.Excerpt{Header: info.Header, End: info.End, Edit: recordGate{redact.Standard(false)}}
		if _, err := r.Excerpt(out, x); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(courses(t, r), courses(t, intact(t, out))); d != "" {
			t.Errorf("(-original +shape):\n%s", d)
		}
	})
}
