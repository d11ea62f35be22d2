package store

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
)

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
