package recorder

import (
	"context"
	"errors"
	"io"
	"strings"
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
	a := &response{
		limit: time.Hour, body: &endless{ctx: ctx}, ctx: ctx, cancel: cancel,
		timer: time.NewTimer(time.Hour), stop: func() bool { return true }, proof: func() time.Time { return time.Time{} },
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

// A connection that breaks after an hour in which nothing was heard may have been
// dead for an hour, unless the server answered another request meanwhile.
func TestBrokenConnection(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		heard, proof time.Duration // ago
		want         string
	}{
		{time.Hour, 2 * time.Hour, "connection reset; nothing heard for 1h0m0."},
		{time.Hour, 10 * time.Second, "connection reset; nothing heard for 10."},
		{0, time.Hour, "connection reset"},
	} {
		a := &response{ctx: t.Context(), heard: now.Add(-tt.heard), proof: func() time.Time { return now.Add(-tt.proof) }}
		err := a.cause(errors.New("connection reset"))
		if got := err.Error(); !strings.HasPrefix(got, tt.want) || tt.heard == 0 && got != tt.want {
			t.Errorf("heard %s ago, an answer %s ago: %q, want %q", tt.heard, tt.proof, got, tt.want)
		}
	}
}
