package store

import "errors"

var (
	// ErrNotEvent is returned when a ledger entry, or nothing at all, is at
	// the position asked for.
	ErrNotEvent = errors.New("no event at that position")

	// ErrClosed is returned when something is written after Seal or Abort.
	ErrClosed = errors.New("recording is closed")
)
