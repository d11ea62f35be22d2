package recorder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// splitEvent takes a watch event apart without reading its object: the object
// is only bounded by the event's own braces and must be checked by whoever
// reads it next.
func splitEvent(text []byte) (watch.EventType, []byte, error) {
	// As the API server writes it. The object is checked when it is redacted,
	// so it need not be read twice.
	if rest, ok := bytes.CutPrefix(text, compact); ok && text[len(text)-1] == '}' {
		for _, t := range eventTypes {
			const between = `","object":`
			n := len(t) + len(between)
			if len(rest) > n && string(rest[:len(t)]) == string(t) && string(rest[len(t):n]) == between {
				return t, rest[n : len(rest)-1], nil
			}
		}
	}
	var kind watch.EventType
	var object []byte
	c := rawjson.Cursor{Text: text}
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "type":
			kind = watch.EventType(c.String())
		case "object":
			c.Peek()
			start := c.At
			c.Skip()
			object = text[start:c.At]
		default:
			c.Skip()
		}
	}
	c.End()
	if c.Err() != nil {
		return "", nil, c.Err()
	}
	if !slices.Contains(eventTypes, kind) {
		return "", nil, fmt.Errorf("unknown watch event type %.20q", kind)
	}
	if object == nil {
		return "", nil, fmt.Errorf("watch event %s without an object", kind)
	}
	return kind, object, nil
}

var eventTypes = []watch.EventType{watch.Modified, watch.Added, watch.Deleted, watch.Bookmark, watch.Error}

// metadata is what the recorder reads of an object.
type metadata struct {
	namespace       string
	name            string
	uid             types.UID
	resourceVersion string
	listEnd         bool // annotated k8s.io/initial-events-end
	typed           bool // has a kind of its own; the items of typed lists have none
}

// scanMetadata reads the metadata of an object. It reads no further than it
// must: what follows may be malformed.
func scanMetadata(object []byte, namespaced bool) (metadata, error) {
	var m metadata
	c := rawjson.Cursor{Text: object}
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "kind":
			m.typed = true
			c.Skip()
		case "metadata":
			if c.Peek() != '{' {
				c.Skip() // null
				continue
			}
			m.scan(&c, namespaced)
			if m.typed {
				return m, c.Err()
			}
		default:
			c.Skip()
		}
	}
	return m, c.Err()
}

func (m *metadata) scan(c *rawjson.Cursor, namespaced bool) {
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "namespace":
			m.namespace = c.String()
		case "name":
			m.name = c.String()
		case "uid":
			m.uid = types.UID(c.String())
		case "resourceVersion":
			m.resourceVersion = c.String()
		case "annotations":
			if c.Peek() != '{' {
				c.Skip() // null
				continue
			}
			for c.Enter('{'); c.More('}'); {
				if string(c.Key()) == store.InitialEventsEnd {
					m.listEnd = true
				}
				c.Skip()
			}
		default:
			c.Skip()
		}
		if m.typed && m.name != "" && m.uid != "" && m.resourceVersion != "" && (m.namespace != "" || !namespaced) {
			return // managedFields, the largest part, follow
		}
	}
}

// listEnd returns the bookmark that ends a list which the API server did not
// end itself, in the form of those it does.
func listEnd(r resource, resourceVersion string) []byte {
	object, err := json.Marshal(struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
		Metadata   any    `json:"metadata"`
	}{r.kind, r.gvr.GroupVersion().String(), struct {
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	}{resourceVersion, map[string]string{store.InitialEventsEnd: "true"}}})
	if err != nil {
		panic(err) // strings marshal
	}
	return object
}

// typed returns an item of a list as the object it would be in a watch: the
// items of a list carry no kind and apiVersion of their own.
func typed(r resource, item []byte) []byte {
	rest := item[1:] // after '{'
	head := append(make([]byte, 0, len(item)+128), `{"kind":`...)
	head = append(head, quoted(r.kind)...)
	head = append(head, `,"apiVersion":`...)
	head = append(head, quoted(r.gvr.GroupVersion().String())...)
	if (&rawjson.Cursor{Text: rest}).Peek() != '}' {
		head = append(head, ',')
	}
	return append(head, rest...)
}

// quoted returns a string as JSON. Go's %q is not: it escapes in other ways what
// a discovery document may hold.
func quoted(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings marshal
	}
	return text
}

// decodeStatus reads what the API server says when it refuses.
func decodeStatus(object []byte) (*metav1.Status, error) {
	var status metav1.Status
	if err := json.Unmarshal(object, &status); err != nil {
		return nil, fmt.Errorf("read Status: %w", err)
	}
	return &status, nil
}
