package audit

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/store/rawjson"
)

// body is what a response says of the object in it.
type body struct {
	kind, version                         string
	name, namespace, uid, resourceVersion string
	dying                                 bool // it has a deletionTimestamp
	grace                                 string
	finalizers                            int
	items                                 [][]byte
	list                                  bool
}

func readBody(raw []byte) body {
	var b body
	c := rawjson.Cursor{Text: raw}
	if c.Peek() != '{' {
		return b
	}
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "kind":
			b.kind = text(&c)
		case "apiVersion":
			b.version = text(&c)
		case "metadata":
			b.metadata(&c)
		case "spec":
			if c.Peek() != '{' {
				c.Skip()
				continue
			}
			for c.Enter('{'); c.More('}'); {
				if string(c.Key()) == "finalizers" { // of a Namespace
					b.finalizers += len(texts(&c))
				} else {
					c.Skip()
				}
			}
		case "items":
			if c.Peek() != '[' {
				c.Skip()
				continue
			}
			b.list = true
			for c.Enter('['); c.More(']'); {
				b.items = append(b.items, value(&c))
			}
		default:
			c.Skip()
		}
	}
	if c.Err() != nil {
		return body{}
	}
	return b
}

func (b *body) metadata(c *rawjson.Cursor) {
	if c.Peek() != '{' {
		c.Skip()
		return
	}
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "name":
			b.name = text(c)
		case "namespace":
			b.namespace = text(c)
		case "uid":
			b.uid = text(c)
		case "resourceVersion":
			b.resourceVersion = text(c)
		case "deletionTimestamp":
			b.dying = text(c) != ""
		case "deletionGracePeriodSeconds":
			b.grace = string(value(c))
		case "finalizers":
			b.finalizers += len(texts(c))
		default:
			c.Skip()
		}
	}
}

// over reports whether the write that returned the object was its last: without
// finalizers and grace the API server removes what is being deleted with the
// update that makes it so (ShouldDeleteDuringUpdate in
// k8s.io/apiserver/pkg/registry/generic/registry).
func (b *body) over() bool { return b.dying && b.finalizers == 0 && b.grace == "0" }

// written sends what a request that succeeded has written.
func (e *event) written(r importer.Record, out *importer.Output) {
	unseen := func() {
		r.Kind, r.Object = importer.Unseen, nil
		out.Record(r)
	}
	if len(e.response) == 0 || e.response[0] != '{' {
		unseen()
		return
	}
	b := readBody(e.response)
	if e.verb == "deletecollection" {
		e.collection(r, &b, out)
		return
	}
	if b.kind == "Status" || b.kind == "" {
		if e.verb == "delete" && e.subresource == "" {
			r.Kind = importer.Removed
			out.Record(r)
			return
		}
		unseen() // a binding, an eviction
		return
	}
	if !e.carries(&b) {
		if r.Name == "" {
			r.Name = b.name
		}
		unseen()
		return
	}
	e.object(r, &b, e.response, out)
}

// carries reports whether the response is the object that was written: a scale
// answers with a Scale, an old client may be answered with metadata only.
func (e *event) carries(b *body) bool {
	switch e.subresource {
	case "", "status", "finalize", "ephemeralcontainers", "resize", "approval":
	default:
		return false
	}
	if b.name == "" || b.resourceVersion == "" || b.kind == "PartialObjectMetadata" || b.kind == "Table" {
		return false
	}
	return b.version == schema.GroupVersion{Group: e.group, Version: e.version}.String()
}

// object sends one version of an object.
func (e *event) object(r importer.Record, b *body, raw []byte, out *importer.Output) {
	r.Name, r.Namespace, r.UID, r.ResourceVersion, r.Object = b.name, b.namespace, b.uid, b.resourceVersion, raw
	if r.Request != nil {
		request := *r.Request
		request.Version = b.resourceVersion
		r.Request = &request
	}
	switch {
	case e.verb == "create" && e.subresource == "":
		r.Kind = importer.Created
	case b.over():
		r.Kind = importer.Removed
	case (e.verb == "delete" || e.verb == "deletecollection") && !b.dying && b.finalizers == 0:
		r.Kind = importer.Removed // it was removed at once, and is returned as it was
	default:
		r.Kind = importer.Written
	}
	out.Record(r)
}

// collection sends what deletecollection returned: the objects, as a list whose
// items may lack what the list says for all of them.
func (e *event) collection(r importer.Record, b *body, out *importer.Output) {
	if !b.list {
		r.Kind, r.Name, r.UID = importer.Unseen, "", ""
		out.Record(r)
		return
	}
	kind := strings.TrimSuffix(b.kind, "List")
	for _, raw := range b.items {
		item := readBody(raw)
		if item.name == "" {
			continue
		}
		if item.kind == "" {
			raw = withKind(raw, kind, b.version)
		}
		e.object(r, &item, raw, out)
	}
}

// withKind puts the kind in front of the members of an object.
func withKind(raw []byte, kind, version string) []byte {
	inner := strings.TrimSpace(string(raw[1:]))
	comma := ","
	if strings.HasPrefix(inner, "}") {
		comma = ""
	}
	return []byte(`{"kind":` + quote(kind) + `,"apiVersion":` + quote(version) + comma + inner)
}
