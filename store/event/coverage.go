package event

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Status says whether the recorder was listening to a resource.
type Status string

const (
	// NotRecorded: the resource was never asked for, or does not exist there.
	NotRecorded Status = "NotRecorded"
	// Forbidden: the API server refused; Reason has its words.
	Forbidden Status = "Forbidden"
	// Listing: a list is under way; what is missing proves nothing yet.
	Listing Status = "Listing"
	// Current: the list is complete and the watch is open. Only now does
	// absence prove something.
	Current Status = "Current"
	// Partial: as Current, but only some of the objects are recorded; Reason says
	// which. What is known is up to date, and absence proves nothing.
	Partial Status = "Partial"
	// Gap: the stream is interrupted; the last known objects may be outdated.
	Gap Status = "Gap"

	// Revisions: every revision is known, as from an etcd snapshot between its
	// compaction and its end. It is worth as much as Current.
	Revisions Status = "Revisions"
	// Writes: every write is known with what it wrote, as from an audit log with
	// response bodies. An object is known from its first write on, and is up to
	// date from then on; absence proves nothing.
	Writes Status = "Writes"
	// Unseen: something was written and its content is not known, as of requests
	// that are logged without bodies. What is known may be outdated.
	Unseen Status = "Unseen"
	// Instant: a complete list was read at Time, as one of several that were
	// read one after the other. What is known is as of that list, and so is
	// what was absent.
	Instant Status = "Instant"
	// Derived: only what other objects tell is known, as from Kubernetes Events.
	Derived Status = "Derived"
)

// ContentCurrent reports whether an object that is known is up to date. A status
// of a later version of svcspy promises nothing.
func (s Status) ContentCurrent() bool {
	return s == Current || s == Revisions || s == Partial || s == Writes
}

// AbsenceProven reports whether an object that is not known does not exist.
func (s Status) AbsenceProven() bool { return s == Current || s == Revisions }

// Coverage is one change in what the recorder was listening to: an entry of
// the coverage ledger. It holds from its Seq until the next entry for the same
// resource and namespace. It takes a Seq of its own, so that events and ledger
// have one order.
type Coverage struct {
	Seq             Seq
	Time            time.Time
	Resource        schema.GroupVersionResource
	Namespace       string // scope of the stream; "" is the whole cluster
	Status          Status
	ResourceVersion string // where the stream stood, if known; of a Gap: what came after it may be lost
	Reason          string // why it changed: "watch closed", "410 Gone", the server's words for 403, ...
	// Resumed is set on Current when the watch went on from ResourceVersion
	// after a Gap, and has told what happened meanwhile: the interval before it
	// lost nothing, it was only late.
	Resumed bool
}

// Stopped is the Reason of the Gap that ends every stream when the recorder is
// stopped. What stands before it is the last that was known; it is no gap in
// the evidence, but its end.
const Stopped = "recorder stopped"

// Weight orders statuses by how much they let one know.
func (s Status) Weight() int {
	switch s {
	case Current, Revisions:
		return 7
	case Partial, Writes:
		return 6
	case Instant:
		return 5
	case Listing, Gap:
		return 4
	case Unseen:
		return 3
	case Derived:
		return 2
	case Forbidden:
		return 1
	}
	return 0
}
