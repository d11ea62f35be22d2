package recorder

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// endless says something once and then nothing until its context ends.
type endless struct {
	ctx  context.Context
	said bool
}

func (e *endless) Read(p []byte) (int, error) {
	if !e.said {
		e.said = true
		return copy(p, "x"), nil
	}
	<-e.ctx.Done()
	return 0, e.ctx.Err()
}

func (*endless) Close() error { return nil }

// The pulse was not answered for an hour, but the watch itself has just spoken:
// nobody may read that nothing was heard for an hour.
func TestSilenceOfOneWatch(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	a := &answer{
		limit: time.Hour, body: &endless{ctx: ctx}, ctx: ctx, cancel: cancel,
		timer: time.NewTimer(time.Hour), stop: func() bool { return true },
	}
	defer a.Close()
	if n, err := a.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	a.cancel(silence(time.Hour))
	_, err := io.ReadAll(a)
	var quiet silence
	if !errors.As(err, &quiet) || quiet >= silence(time.Hour/2) {
		t.Errorf("the watch ended with %v, want the time since it spoke", err)
	}
}
