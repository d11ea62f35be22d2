// Package replay reads the state of a cluster at any instant of a recording.
//
// There are only a few types. A Timeline is recorded history, and grows while
// the recording does. A Cursor is a place on it. A State is everything known at
// that place; it is an analyzer.View, and answers a store.Query. A Cache shares
// decoded objects among the States of one timeline. What is found out from
// states lies in packages above: change, verdict, cause, past, story, when.
package replay

import (
	"context"
	"iter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// Timeline is recorded history: events and ledger entries in one order. It
// ends with the recording, or grows while that is still being written.
// *store.Recording and *store.Memory are timelines. All methods may be called
// concurrently, also while the timeline grows; what was true of a position
// stays true.
type Timeline interface {
	// Info returns the header and the current end.
	Info() store.Info
	// SeqAt returns the last position at or before t, 0 if t is before all.
	SeqAt(t time.Time) (store.Seq, error)
	// TimeOf returns when the recorder heard or noticed what is at seq.
	TimeOf(seq store.Seq) (time.Time, error)
	// Event returns the event at seq with its object; store.ErrNotEvent if a
	// ledger entry is there.
	Event(seq store.Seq) (store.Event, error)
	// Events yields the events with from <= Seq <= to in order. After an error
	// it goes on behind what is unreadable, if it can.
	Events(from, to store.Seq) iter.Seq2[store.Event, error]
	// Ledger returns the coverage changes with from <= Seq <= to in order.
	Ledger(from, to store.Seq) ([]store.Coverage, error)
	// Find returns the positions of the versions that are current at the given
	// position, of the objects that match, ordered by namespace and name.
	Find(q store.Query, at store.Seq) ([]store.Seq, error)
	// History returns the positions of all versions of the object up to the
	// given position, oldest first, of whatever UID.
	History(ref store.Ref, at store.Seq) ([]store.Seq, error)
	// Touched returns the positions with from <= Seq <= to, in order, at which what
	// Find returns for the query may change; perhaps some more.
	Touched(q store.Query, from, to store.Seq) ([]store.Seq, error)
	// Coverage returns what is in force for the resource in the namespace at
	// the given position; Status NotRecorded if the ledger knows nothing.
	Coverage(resource schema.GroupVersionResource, namespace string, at store.Seq) (store.Coverage, error)
	// Resources returns the discovery document that holds at the given position.
	Resources(at store.Seq) ([]metav1.APIResource, error)
	// Marks returns the remarks about moments of the timeline, by when they were
	// made.
	Marks() ([]store.Mark, error)
	// Clocks returns the samples of the recorder's and the API server's clock, in
	// the order they were taken.
	Clocks() ([]store.Clock, error)
	// Wait blocks until there is something after the position (nil), the
	// timeline has ended (io.EOF), or ctx is done (its error).
	Wait(ctx context.Context, after store.Seq) error
}
