package importer

import (
	"github.com/klauspost/compress/s2"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// finals keeps the last content of objects, for deletions that the log tells
// without it. It is bounded: of what was not written for longest nothing is
// kept.
type finals struct {
	objects map[finalKey][]byte
	order   []finalKey
	bytes   int
}

type finalKey struct {
	resource schema.GroupResource
	object   objectKey
}

const mostFinals = 48 << 20

func newFinals() *finals { return &finals{objects: map[finalKey][]byte{}} }

func (f *finals) keep(resource schema.GroupResource, key objectKey, object []byte) {
	if resource.Resource == "events" || resource.Resource == "leases" || len(object) > mostFinals/8 {
		return
	}
	k := finalKey{resource, key}
	packed := s2.Encode(nil, object)
	old, known := f.objects[k]
	f.bytes += len(packed) - len(old)
	f.objects[k] = packed
	if !known {
		f.order = append(f.order, k)
	}
	for f.bytes > mostFinals && len(f.order) > 0 {
		first := f.order[0]
		f.order = f.order[1:]
		f.bytes -= len(f.objects[first])
		delete(f.objects, first)
	}
}

func (f *finals) last(resource schema.GroupResource, key objectKey) []byte {
	object, err := s2.Decode(nil, f.objects[finalKey{resource, key}])
	if err != nil {
		return nil
	}
	return object
}

func (f *finals) drop(resource schema.GroupResource, key objectKey) {
	k := finalKey{resource, key}
	f.bytes -= len(f.objects[k])
	delete(f.objects, k)
}
