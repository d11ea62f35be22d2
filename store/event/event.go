package event

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Seq is a position in a recording. It starts at 1, grows by one for every
// Event and every Coverage change written, and is the only order there is:
// Time may repeat and resourceVersions compare within one resource only.
// 0 means "before anything was recorded".
type Seq uint64

// MaxSeq is the highest position that is read; whatever is added to one of them
// does not overflow.
const MaxSeq = 1 << 62

// Relist is the one event type that is not Kubernetes' own: the recorder began
// to list a resource anew. The objects follow as ADDED and the bookmark
// annotated k8s.io/initial-events-end ends the list, as in Kubernetes' own
// watch-list (KEP-3157). What was known before a completed list and is not in
// it was deleted at an unknown moment before the end of that list.
const Relist watch.EventType = "RELIST"

// InitialEventsEnd is the annotation on the bookmark that ends a list.
const InitialEventsEnd = "k8s.io/initial-events-end"

// Event is one thing the API server said, in the order it was heard.
//
// For RELIST, BOOKMARK and ERROR, Namespace is the scope of the stream ("" is
// the whole cluster) and Name and UID are empty. Object is the JSON the server
// sent after redaction: the object for ADDED, MODIFIED and DELETED (its final
// state), a bare object with a resourceVersion for BOOKMARK, a metav1.Status
// for ERROR, nil for RELIST. Object is shared and must not be written to.
type Event struct {
	Seq             Seq
	Time            time.Time // when the recorder heard it; never runs backwards
	Type            watch.EventType
	Resource        schema.GroupVersionResource
	Namespace       string
	Name            string
	UID             types.UID
	ResourceVersion string // opaque, but comparable within one resource
	Object          []byte
}

// IsObject reports whether the event carries a version of an object.
func (e *Event) IsObject() bool {
	return e.Type == watch.Added || e.Type == watch.Modified || e.Type == watch.Deleted
}

// Ref returns the name of the event's object.
func (e *Event) Ref() Ref { return Ref{e.Resource, e.Namespace, e.Name} }

// Ref names an object. Identity is the UID; a name can come back.
type Ref struct {
	Resource  schema.GroupVersionResource
	Namespace string // "" for cluster-scoped objects
	Name      string
}

// Query selects the objects that exist at an instant. Empty fields do not
// restrict; all the others must hold.
type Query struct {
	Resource  schema.GroupVersionResource
	Namespace string
	Name      string
	Labels    map[string]string // every pair must be on the object
	Owner     types.UID         // an ownerReference with this UID
	// Involved restricts Kubernetes Events to those about the object with this
	// UID (involvedObject.uid).
	Involved types.UID
}

// Compare orders by resource, namespace and name.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(
		CompareResources(r.Resource, o.Resource),
		cmp.Compare(r.Namespace, o.Namespace),
		cmp.Compare(r.Name, o.Name),
	)
}

// CompareResources orders by group, version and resource.
func CompareResources(a, b schema.GroupVersionResource) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Resource, b.Resource))
}
