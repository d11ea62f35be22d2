package recorder

import (
	"context"
	"encoding/json"
	"io"
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
		target := ""
		if !s.unmarked {
			var served bool
			target, served = s.probe(ctx, from)
			// The API server keeps no watch cache of Events, and a watch of etcd itself may
			// end without a bookmark (1.30 to 1.33 do so, at least).
			s.unmarked = target == "" && served && s.scope.resource.gvr.Resource == "events"
		}
		if s.unmarked {
			target = s.newestItem(ctx, from)
		}
		if target != "" {
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
// list. served says that the server ended the watch in time and in order, so that one
// without an answer sends no bookmarks.
func (s *stream) probe(ctx context.Context, from string) (target string, served bool) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.probe)
	defer cancel()
	body, err := s.get(ctx, url.Values{
		"watch": {"1"}, "allowWatchBookmarks": {"true"}, "timeoutSeconds": {strconv.Itoa(probeSeconds)}, "resourceVersion": {from},
	})
	if err != nil {
		return "", false
	}
	defer body.Close()
	body.limit = s.limits.probe
	texts := newSplitter(body)
	for last := from; ; {
		text, err := texts.next()
		if err != nil {
			return "", err == io.EOF
		}
		kind, object, err := splitEvent(text)
		if err != nil || kind == watch.Error {
			return "", false
		}
		meta, err := scanMetadata(object, s.scope.resource.namespaced)
		switch {
		case err != nil || meta.resourceVersion == "":
			return "", false
		case kind != watch.Bookmark && !older(meta.resourceVersion, last):
			last = meta.resourceVersion
		case kind != watch.Bookmark: // shuffled on the way
		case older(meta.resourceVersion, from): // of a server that is behind the others
		default:
			return last, true
		}
	}
}

// newestItem returns the resourceVersion of the newest object of a collection, which is
// the given one if none is newer; "" if that cannot be known. A watch that has told that
// version has told every write before, but for deletions after it: of Events those say
// nothing. Only their metadata is asked for.
func (s *stream) newestItem(ctx context.Context, from string) string {
	ctx, cancel := context.WithTimeout(ctx, s.limits.list)
	defer cancel()
	newest := from
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	for range maxNewestPages {
		body, err := s.getAs(ctx, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json", query)
		if err != nil {
			return ""
		}
		var page struct {
			Metadata listMeta `json:"metadata"`
			Items    []struct {
				Metadata struct {
					ResourceVersion string `json:"resourceVersion"`
				} `json:"metadata"`
			} `json:"items"`
		}
		err = json.NewDecoder(io.LimitReader(body, maxNewestBytes)).Decode(&page)
		body.Close()
		if err != nil {
			return ""
		}
		for i := range page.Items {
			if v := page.Items[i].Metadata.ResourceVersion; older(newest, v) {
				newest = v
			}
		}
		if page.Metadata.Continue == "" {
			return newest
		}
		query.Set("continue", page.Metadata.Continue)
	}
	return ""
}

// The most that newestItem reads: 50,000 Events, and of each page 32 MiB.
const (
	maxNewestPages = 100
	maxNewestBytes = 32 << 20
)

// unproven says in the ledger that a resumed watch is not known to be complete.
func (s *stream) unproven() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind && s.said.Status == store.Gap {
		s.cover(store.Coverage{Status: store.Gap, ResourceVersion: s.said.ResourceVersion, Reason: reasonUnproven})
	}
}
