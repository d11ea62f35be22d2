package analyzer

import (
	"encoding/json"
	"sync"

	"github.com/svcspy/svcspy/store"
)

// Object is one version of an object, decoded on demand and once. It is shared
// between Views and must not be changed.
type Object struct {
	store.Event

	once  sync.Once
	value any
	err   error
}

// NewObject returns the object of an event.
func NewObject(e store.Event) *Object { return &Object{Event: e} }

// As decodes the object into a Kubernetes API type. Every call for one object
// must ask for the same type; the value is shared and read-only. It is never
// nil: what cannot be decoded is left at its zero value, and Err says why.
func As[T any](o *Object) *T {
	o.once.Do(func() {
		v := new(T)
		o.err = json.Unmarshal(o.Event.Object, v)
		o.value = v
	})
	v, ok := o.value.(*T)
	if !ok {
		return new(T)
	}
	return v
}

// Err returns why the object could not be decoded, once As was called.
func (o *Object) Err() error { return o.err }
