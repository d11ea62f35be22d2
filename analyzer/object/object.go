// Package object reads versions of Kubernetes objects. An [Object] decodes itself
// once, when it is asked for, and from the version before it where it can:
// of a Pod that is written ten times nine tenths stay the same.
package object

import (
	"encoding/json"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// Object is one version of an object, decoded on demand and once. It is shared
// between Views and must not be changed.
type Object struct {
	store.Event

	ahead   time.Duration // of the clocks that wrote the object's times, before the recorder's
	once    sync.Once
	value   any
	err     error
	decoded atomic.Bool            // value and err are set
	like    atomic.Pointer[Object] // nil once decoded

	sketched sync.Once
	sketch   Template
	ipRead   sync.Once
	ip       string
}

// Template is what an object that makes Pods tells of them.
type Template struct {
	Labels     map[string]string // of the Pods; read-only
	Controlled bool              // another object makes this one, and decides
	Err        error             // the object could not be decoded
}

// Template returns what the object tells of the Pods it makes, nothing if it
// makes none. It is read once, and the rest of the object is not decoded.
func (o *Object) Template() Template {
	o.sketched.Do(func() {
		var owners, labels, jobLabels []byte
		c := rawjson.Cursor{Text: o.Event.Object}
		template := func(labels *[]byte) {
			member(&c, "metadata", func() {
				member(&c, "labels", func() { *labels = valueAt(&c) })
			})
		}
		members(&c, func(name []byte) {
			switch string(name) {
			case "metadata":
				member(&c, "ownerReferences", func() { owners = valueAt(&c) })
			case "spec":
				members(&c, func(name []byte) {
					switch string(name) {
					case "template":
						template(&labels)
					case "jobTemplate":
						member(&c, "spec", func() {
							member(&c, "template", func() { template(&jobLabels) })
						})
					default:
						c.Skip()
					}
				})
			default:
				c.Skip()
			}
		})
		c.End()
		if o.sketch.Err = c.Err(); o.sketch.Err != nil {
			return
		}
		var refs []struct{ Controller bool }
		if len(owners) > 0 {
			o.sketch.Err = json.Unmarshal(owners, &refs)
		}
		o.sketch.Controlled = slices.ContainsFunc(refs, func(r struct{ Controller bool }) bool { return r.Controller })
		for _, text := range [][]byte{labels, jobLabels} {
			if o.sketch.Err == nil && o.sketch.Labels == nil && len(text) > 0 {
				o.sketch.Err = json.Unmarshal(text, &o.sketch.Labels)
			}
		}
	})
	return o.sketch
}

// LabelsOnly reads the labels of an object and nothing else; ok is false if they
// cannot be read.
func (o *Object) LabelsOnly() (labels map[string]string, ok bool) {
	var text []byte
	c := rawjson.Cursor{Text: o.Event.Object}
	member(&c, "metadata", func() {
		member(&c, "labels", func() { text = valueAt(&c) })
	})
	if c.End(); c.Err() != nil || text == nil {
		return nil, c.Err() == nil
	}
	return labels, json.Unmarshal(text, &labels) == nil
}

// ClusterIP reads the cluster IP of a Service once and nothing else of it; "" if it
// has none or cannot be read.
func (o *Object) ClusterIP() string {
	o.ipRead.Do(func() {
		c := rawjson.Cursor{Text: Member(Member(o.Event.Object, "spec"), "clusterIP")}
		o.ip = c.String()
	})
	return o.ip
}

// Matches reports whether nothing else makes the object and a selector, if there
// is one, matches the Pods; true also if that is not known.
func (t *Template) Matches(selector map[string]string) bool {
	return t.Err != nil || !t.Controlled && (len(selector) == 0 || kube.Matches(selector, t.Labels))
}

// New returns the object of an event.
func New(e store.Event) *Object { return &Object{Event: e} }

// NewAhead returns the object of an event whose times were written by a clock that is
// ahead of the recorder's, or, if negative, behind it. As decodes them into the
// recorder's time: what compares them with the times of events is right then.
func NewAhead(e store.Event, ahead time.Duration) *Object { return &Object{Event: e, ahead: ahead} }

// Ahead is by how much the clock that wrote the object's times was ahead.
func (o *Object) Ahead() time.Duration { return o.ahead }

// Date puts the times of a value that was decoded from the object by other means than As
// on the recorder's clock.
func (o *Object) Date(v any) {
	if o.ahead != 0 {
		setBack(reflect.ValueOf(v), o.ahead)
	}
}

// Like says that the object is another version of one that was decoded, so that
// only what is different must be. It has no effect on the outcome, nor once the
// object is decoded.
func (o *Object) Like(version *Object) {
	if !o.decoded.Load() && version.decoded.Load() && version.err == nil {
		o.like.Store(version)
	}
}

// As decodes the object into a Kubernetes API type. Every call for one object
// must ask for the same type; the value is shared and read-only. It is never
// nil: what cannot be decoded is left at its zero value, and Err says why.
func As[T any](o *Object) *T {
	o.once.Do(func() {
		v := new(T)
		if like := o.like.Swap(nil); like != nil && o.ahead == 0 && reflect.TypeOf(like.value) == reflect.TypeFor[*T]() {
			o.err = decodeVersion(o.Event.Object, v, like.Event.Object, like.value)
		} else {
			o.err = json.Unmarshal(o.Event.Object, v)
		}
		o.Date(v)
		o.value = v
		o.decoded.Store(true)
	})
	v, ok := o.value.(*T)
	if !ok {
		return new(T)
	}
	return v
}

// Value returns what the object was decoded into, nil before. It is read-only.
func (o *Object) Value() any { return o.value }

// Err returns why the object could not be decoded, once As was called.
func (o *Object) Err() error { return o.err }
