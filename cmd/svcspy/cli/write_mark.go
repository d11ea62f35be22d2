package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/store"
)

// WriteMark writes a mark into a recording, or has its recorder do so, and
// returns the time it is about: if it has none, the end of the recording, which is
// now where it is still written.
func WriteMark(ctx context.Context, file string, m store.Mark, end time.Time) (time.Time, error) {
	ended := m
	if m.Time.IsZero() {
		ended.Time = end
	}
	err := store.AddMark(file, ended)
	if !errors.Is(err, store.ErrInUse) {
		return ended.Time, err
	}
	switch is, asked := flight.Ask(ctx, file, flight.Request{Verb: flight.Mark, Mark: &m}); {
	case errors.Is(asked, flight.ErrNoRecorder):
		// Nobody records it who would answer: it may have ended just now.
		if again := store.AddMark(file, ended); !errors.Is(again, store.ErrInUse) {
			return ended.Time, again
		}
		return m.Time, fmt.Errorf("%w, and %w", err, flight.ErrNoRecorder)
	case asked != nil:
		return m.Time, fmt.Errorf("mark %s: %w", file, asked)
	default:
		return is.Time, nil
	}
}
