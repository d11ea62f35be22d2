package recorder

import (
	"context"
	"net/url"
	"strconv"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// reasonUnproven is the reason of the gap while a watch was resumed and nothing proves
// that it has told what happened meanwhile.
const reasonUnproven = "watch resumed; not known to be complete before its next bookmark"

// prove finds out how far a resumed watch, which goes on from the given
// resourceVersion, must have come to have told what happened before it was
// resumed, until that is known or ctx ends.
func (s *stream) prove(ctx context.Context, from string) {
	wait := s.limits.retry
	for ctx.Err() == nil {
		// Where nothing else is written, the collection is where it was.
		if newest := s.ask(ctx); newest != "" && s.reach(newest) {
			return
		}
		if target := s.probe(ctx, from); target != "" {
			s.reach(target)
			return
		}
		if ctx.Err() == nil {
			s.unproven()
		}
		sleep(ctx, wait.next(s.limits.hush))
	}
}

// probeSeconds is how long a probe asks to be served. The API server sends a
// bookmark two seconds before that ends (cacheWatcher.nextBookmarkTime in
// apiserver/pkg/storage/cacher), so that one comes after a second instead of a
// minute.
const probeSeconds = 3

// probe returns the resourceVersion of the last thing that happened between the
// given one and now, which is the given one if nothing did; "" if that cannot be
// known. It opens a second watch from there: what it is told before a bookmark
// is what the first watch, which is older, must tell too. It needs no right to
// list.
func (s *stream) probe(ctx context.Context, from string) string {
	ctx, cancel := context.WithTimeout(ctx, s.limits.probe)
	defer cancel()
	body, err := s.get(ctx, url.Values{
		"watch": {"1"}, "allowWatchBookmarks": {"true"}, "timeoutSeconds": {strconv.Itoa(probeSeconds)}, "resourceVersion": {from},
	})
	if err != nil {
		return ""
	}
	defer body.Close()
	body.limit = s.limits.probe
	texts := newSplitter(body)
	for last := from; ; {
		text, err := texts.next()
		if err != nil {
			return ""
		}
		kind, object, err := splitEvent(text)
		if err != nil || kind == watch.Error {
			return ""
		}
		meta, err := scanMetadata(object, s.scope.resource.namespaced)
		switch {
		case err != nil || meta.resourceVersion == "":
			return ""
		case kind != watch.Bookmark && !older(meta.resourceVersion, last):
			last = meta.resourceVersion
		case kind != watch.Bookmark: // shuffled on the way
		case older(meta.resourceVersion, from): // of a server that is behind the others
		default:
			return last
		}
	}
}

// unproven says in the ledger that a resumed watch is not known to be complete.
func (s *stream) unproven() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind && s.said.Status == store.Gap {
		s.cover(store.Coverage{Status: store.Gap, ResourceVersion: s.said.ResourceVersion, Reason: reasonUnproven})
	}
}
