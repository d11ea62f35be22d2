package store

import (
	"time"

	"github.com/svcspy/svcspy/store/event"
)

// The words of a recording; package event describes them.
type (
	Seq         = event.Seq
	Event       = event.Event
	Ref         = event.Ref
	Query       = event.Query
	Coverage    = event.Coverage
	Status      = event.Status
	DamageError = event.DamageError
)

// Relist is the one event type that is not Kubernetes' own.
const Relist = event.Relist

// InitialEventsEnd is the annotation on the bookmark that ends a list.
const InitialEventsEnd = event.InitialEventsEnd

// Statuses of coverage.
const (
	NotRecorded = event.NotRecorded
	Forbidden   = event.Forbidden
	Listing     = event.Listing
	Current     = event.Current
	Partial     = event.Partial
	Gap         = event.Gap
	Revisions   = event.Revisions
	Writes      = event.Writes
	Unseen      = event.Unseen
	Instant     = event.Instant
	Derived     = event.Derived
)

// Stopped is the Reason of the Gap that ends every stream when the recorder is
// stopped.
const Stopped = event.Stopped

// Errors that callers tell apart.
var (
	ErrNotEvent     = event.ErrNotEvent
	ErrClosed       = event.ErrClosed
	ErrNotRecording = event.ErrNotRecording
	ErrVersion      = event.ErrVersion
	ErrInUse        = event.ErrInUse
	ErrTooLarge     = event.ErrTooLarge
	ErrFull         = event.ErrFull
	ErrDamaged      = event.ErrDamaged
)

// NoAnswer is the Reason of a Gap after the API server did not answer for d.
func NoAnswer(d time.Duration) string { return event.NoAnswer(d) }

// NothingHeard ends the Reason, after "; ", of a Gap before which nothing was
// heard for d.
func NothingHeard(d time.Duration) string { return event.NothingHeard(d) }
