package rawjson

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Identity is what the indexes need of an object's JSON.
type Identity struct {
	Namespace, Name string
	UID             types.UID
	ResourceVersion string
	Labels          []label
	Owners          []types.UID // metadata.ownerReferences[].uid
	Involved        types.UID   // involvedObject.uid of a v1 Event, regarding.uid of an events.k8s.io Event
	ListEnd         bool        // annotated k8s.io/initial-events-end
}

type label struct{ Key, Value string }

// Identify reads the identity from the JSON of an object of the resource, in one
// pass, without decoding the rest and without looking further than it needs.
// What it found before an error is kept: an object the server sent is recorded
// whether we understand it or not.
func Identify(resource schema.GroupVersionResource, raw []byte) (Identity, error) {
	var id Identity
	about := resource.Resource == "events" && (resource.Group == "" || resource.Group == "events.k8s.io")
	c := Cursor{Text: raw}
	for in := c.enters('{'); in && c.More('}'); {
		switch key := c.Key(); {
		case string(key) == "metadata":
			id.readMetadata(&c)
			if !about {
				return id, c.Err()
			}
		case about && (string(key) == "involvedObject" || string(key) == "regarding"):
			if uid, ok := c.uid(); ok {
				id.Involved = uid
			}
		default:
			c.Skip()
		}
	}
	return id, c.Err()
}

func (id *Identity) readMetadata(c *Cursor) {
	text := func(to *string) {
		if value, ok := c.text(); ok {
			*to = value
		}
	}
	for in := c.enters('{'); in && c.More('}'); {
		switch string(c.Key()) {
		case "namespace":
			text(&id.Namespace)
		case "name":
			text(&id.Name)
		case "uid":
			text((*string)(&id.UID))
		case "resourceVersion":
			text(&id.ResourceVersion)
		case "labels":
			for in := c.enters('{'); in && c.More('}'); {
				name := string(c.Key())
				if value, ok := c.text(); ok {
					id.Labels = append(id.Labels, label{name, value})
				}
			}
		case "annotations":
			for in := c.enters('{'); in && c.More('}'); {
				if string(c.Key()) == metav1.InitialEventsAnnotationKey {
					value, _ := c.text()
					id.ListEnd = value == "true"
				} else {
					c.Skip()
				}
			}
		case "ownerReferences":
			for in := c.enters('['); in && c.More(']'); {
				if uid, ok := c.uid(); ok {
					id.Owners = append(id.Owners, uid)
				}
			}
		case "managedFields":
			// It is most of the metadata, and nothing of it is needed.
			if b := c.Peek(); b == '[' || b == '{' {
				c.At = c.Extent()
			} else {
				c.Skip()
			}
		default:
			c.Skip()
		}
	}
}

// enters enters an object or an array. A value of another kind is skipped: false.
func (c *Cursor) enters(open byte) bool {
	if c.Peek() != open {
		c.Skip()
		return false
	}
	c.Enter(open)
	return true
}

// text consumes a string; a value of another kind is skipped and reads as "". It
// is false after an error.
func (c *Cursor) text() (value string, ok bool) {
	if c.Peek() == '"' {
		value = c.String()
	} else {
		c.Skip()
	}
	return value, c.err == nil
}

// uid consumes an object and returns its member uid, if it has one.
func (c *Cursor) uid() (uid types.UID, ok bool) {
	for in := c.enters('{'); in && c.More('}'); {
		if string(c.Key()) != "uid" {
			c.Skip()
		} else if value, is := c.text(); is {
			uid, ok = types.UID(value), true
		}
	}
	return uid, ok
}
