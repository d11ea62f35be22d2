package store

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/event"
)

// Kind is how much there is of one resource.
type Kind struct {
	Resource schema.GroupVersionResource `json:"resource"`
	Events   uint64                      `json:"events"`
	Bytes    uint64                      `json:"bytes"` // of JSON, before compression
}

// count adds an event; kinds are sorted by resource.
func count(kinds []Kind, e *Event) []Kind {
	at, found := slices.BinarySearchFunc(kinds, e.Resource, func(k Kind, r schema.GroupVersionResource) int {
		return event.CompareResources(k.Resource, r)
	})
	if !found {
		kinds = slices.Insert(kinds, at, Kind{Resource: e.Resource})
	}
	kinds[at].Events++
	kinds[at].Bytes += uint64(len(e.Object))
	return kinds
}
