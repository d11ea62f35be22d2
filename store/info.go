package store

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/event"
)

// Header is what is known when a recording begins.
type Header struct {
	ID        string    // random UUID of the recording
	Recorder  string    // version of svcspy that wrote it
	Start     time.Time // of a ring that was read: when its window begins
	Cluster   Cluster
	Scope     Scope
	Redaction Redaction
	Source    *Source // the recording that this one is a part of; nil if it was recorded itself
	// Resources is the discovery document: Group, Version, Name, SingularName,
	// ShortNames, Kind, Namespaced and Verbs of every resource of the cluster,
	// preferred versions only, sorted by group and name.
	Resources []metav1.APIResource
}

// Cluster says which cluster was recorded.
type Cluster struct {
	UID     string `json:"uid"`     // UID of the kube-system Namespace, "" if it may not be read
	Version string `json:"version"` // gitVersion of the API server
	Context string `json:"context,omitempty"`
}

// Source says which recording another one was cut from.
type Source struct {
	ID     string `json:"id"`
	SHA256 string `json:"sha256,omitempty"` // "" if it was not sealed
	// Start and End are when the recorder listened. Before the window that was
	// cut out only what its reports need is there.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Subjects, such as "Service shop/web", are what the recording was cut
	// down to: only what reports on them need is there, and that something else
	// is missing proves nothing. Empty: everything is there.
	Subjects []string `json:"subjects,omitempty"`
}

// Began is when the recorder began to listen: Start, unless the recording was
// cut from one that began earlier.
func (h *Header) Began() time.Time {
	if h.Source != nil {
		return h.Source.Start
	}
	return h.Start
}

// Scope says what was asked for.
type Scope struct {
	Profile    string   `json:"profile"`              // minimal, standard, full
	Namespaces []string `json:"namespaces,omitempty"` // empty: the whole cluster
	// Selector is the label selector that objects had to match once to be
	// recorded; "" is every object. The ledger says which resources it holds for.
	Selector string `json:"selector,omitempty"`
	// Subjects are the objects for whose sake was recorded what decides about
	// them; empty: everything in the namespaces.
	Subjects []Subject `json:"subjects,omitempty"`
}

// Subject names an object that was asked about.
type Subject struct {
	Group     string `json:"group,omitempty"`
	Resource  string `json:"resource"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String is the subject as a user writes it: "services/shop/web".
func (s Subject) String() string {
	name := schema.GroupResource{Group: s.Group, Resource: s.Resource}.String()
	if s.Namespace != "" {
		name += "/" + s.Namespace
	}
	return name + "/" + s.Name
}

// Redaction says which policy was applied before anything reached the disk.
type Redaction struct {
	Policy  string `json:"policy"` // "shape", "patterns" or "none"; "standard" (version 1) was "patterns"
	Version int    `json:"version"`
	Shared  string `json:"shared,omitempty"` // the policy of gate B, if it was made to be given away
}

// Info is the header together with what is known about the end.
type Info struct {
	Header
	FormatVersion int
	// First is the position from which everything is there, 1 unless a window
	// is kept; Last is the last one. Both are 0 when nothing was recorded.
	First, Last Seq
	End         time.Time // last moment at which the recorder is known to have listened
	Closed      bool      // sealed by the recorder; false: killed, or still recording
	Events      uint64    // events from First on, without ledger entries
	SHA256      string    // digest over the content; "" until sealed
	// Redacted is how many values the recorder replaced by tokens, by the
	// classes of its policy; nil if it did not say. What a ring has dropped
	// counts too.
	Redacted map[string]uint64
}

// Kind is how much there is of one resource.
type Kind struct {
	Resource schema.GroupVersionResource `json:"resource"`
	Events   uint64                      `json:"events"`
	Bytes    uint64                      `json:"bytes"` // of JSON, before compression
}

// count adds an event; kinds are sorted by resource.
func count(kinds []Kind, e *Event) []Kind { return countOf(kinds, e.Resource, len(e.Object)) }

// countOf adds an event with an object of that many bytes.
func countOf(kinds []Kind, resource schema.GroupVersionResource, size int) []Kind {
	at, found := slices.BinarySearchFunc(kinds, resource, func(k Kind, r schema.GroupVersionResource) int {
		return event.CompareResources(k.Resource, r)
	})
	if !found {
		kinds = slices.Insert(kinds, at, Kind{Resource: resource})
	}
	kinds[at].Events++
	kinds[at].Bytes += uint64(size)
	return kinds
}
