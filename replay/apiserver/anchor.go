package apiserver

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// anchors are the resourceVersions that resources had come to at a position:
// those of the last thing heard of each before it. They are found by reading
// backwards, as far as somebody asks: an API server sends a bookmark of each
// watch about once a minute, so that is rarely far.
type anchors struct {
	timeline replay.Timeline

	mu     sync.Mutex
	unread store.Seq // what is at and before it has not been looked at
	found  map[schema.GroupVersionResource]uint64
}

// stretch is how many positions are read at a time.
const stretch = 1024

// of returns the resourceVersion, 0 if nothing was heard of the resource.
func (a *anchors) of(resource schema.GroupVersionResource) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.found[resource] == 0 && a.unread > 0 {
		from := store.Seq(1)
		if a.unread > stretch {
			from = a.unread - stretch + 1
		}
		a.read(from, a.unread)
		a.unread = from - 1
	}
	return a.found[resource]
}

// read takes up the resources that were not found later. What cannot be read is
// left out: an older version is as good, only that its watches hear more.
func (a *anchors) read(from, to store.Seq) {
	here := map[schema.GroupVersionResource]uint64{}
	for e, err := range a.timeline.Events(from, to) {
		if err == nil {
			here[e.Resource] = max(here[e.Resource], parseVersion(e.ResourceVersion))
		}
	}
	if a.found == nil {
		a.found = map[schema.GroupVersionResource]uint64{}
	}
	for resource, rv := range here {
		if a.found[resource] == 0 {
			a.found[resource] = rv
		}
	}
}
