package analyzer

import (
	"iter"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer/object"
	"github.com/svcspy/svcspy/store"
)

// Object is one version of an object, decoded on demand and once. It is shared
// between Views and must not be changed.
type Object = object.Object

// Template is what an object that makes Pods tells of them.
type Template = object.Template

// NewObject returns the object of an event.
func NewObject(e store.Event) *Object { return object.New(e) }

// As decodes an object into a Kubernetes API type; see [object.As].
func As[T any](o *Object) *T { return object.As[T](o) }

// View is a cluster at one instant, as far as it is known. It is all the
// analyzer sees: the same View gives the same Report, live or years later.
// A View never shows anything after its instant. Objects are read-only.
type View interface {
	// Start is when the recording began.
	Start() time.Time
	// Instant is the moment looked at. It is the analyzer's only clock.
	Instant() time.Time
	// Seq is the last position at or before the instant.
	Seq() store.Seq
	// Get returns the object with this name, nil if none is known. Coverage says
	// whether it is up to date, and whether absence proves something.
	Get(ref store.Ref) *Object
	// List returns the objects that match, ordered by namespace and name.
	List(q store.Query) []*Object
	// Past yields all recorded versions of the object with this name up to the
	// instant, newest first, of whatever UID; a deletion is the version with
	// Type DELETED. The oldest version is only as old as the recording. Each is
	// read only when it is asked for, so a look-back that stops early is cheap.
	Past(ref store.Ref) iter.Seq[*Object]
	// Coverage says whether the recorder was listening to the resource in the
	// namespace ("" for cluster-scoped resources or for all namespaces).
	Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage
	// Templates is List for objects of which only the Template will be looked at,
	// and only if the selector matches it; a View may leave out the others.
	Templates(q store.Query, selector map[string]string) []*Object
	// Until is told that the answer may change after an instant although nothing
	// is recorded then: a grace ends.
	Until(t time.Time)
}
