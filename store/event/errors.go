package event

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotEvent is returned when a ledger entry, or nothing at all, is at
	// the position asked for.
	ErrNotEvent = errors.New("no event at that position")

	// ErrClosed is returned when something is written after Seal or Abort.
	ErrClosed = errors.New("recording is closed")

	// ErrNotRecording is returned when a file is not a recording: empty, or
	// something else.
	ErrNotRecording = errors.New("not a recording")

	// ErrVersion is returned when a recording was written by a later version
	// in a way this one cannot read.
	ErrVersion = errors.New("recording needs a newer version of svcspy")

	// ErrInUse is returned when another process holds the file and it cannot
	// be used until that is done.
	ErrInUse = errors.New("in use by another process")

	// ErrTooLarge is returned when an object is larger than a recording takes.
	ErrTooLarge = errors.New("object too large")

	// ErrFull is returned when a recording has reached its MaxSize. What was
	// appended is not lost: Seal still writes it.
	ErrFull = errors.New("recording has reached its size limit")

	// ErrDamaged is what every DamageError is.
	ErrDamaged = errors.New("recording is damaged")
)

// DamageError says what of a recording cannot be read, and what that affects.
type DamageError struct {
	What        string    // the part: "block", "trail", "header", ...
	First, Last Seq       // the positions affected; 0 if none or unknown
	From, To    time.Time // their times, zero if unknown
	Objects     []Ref     // the objects affected, as far as known; only Verify looks for them
	Err         error     // why it cannot be read
}

func (e *DamageError) Error() string {
	s := e.What
	if e.First != 0 {
		s = fmt.Sprintf("%s of positions %d to %d", s, e.First, e.Last)
	}
	return fmt.Sprintf("%s: %v", s, e.Err)
}

// Is makes every DamageError an ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

func (e *DamageError) Unwrap() error { return e.Err }
