package recorder

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"io"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
		if !s.unmarked {
			target, served := s.probe(ctx, from)
			if target != "" {
				s.reach(target)
				return
			}
			s.unmarked = served
		}
		if s.unmarked && s.survey(ctx) {
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

// survey asks what there is, and reports whether the watch has told exactly that: all
// versions up to the newest of an object, and the same objects, so that no deletion is
// missing either. If it has not yet, it is current as soon as it has. It is for watches
// without bookmarks: before Kubernetes 1.31 the API server sends none in a collection in
// which nothing was written since it started (lastProcessedResourceVersion of
// apiserver/pkg/storage/cacher), and none of Events, which it does not cache, where
// watch-lists are off. Only metadata is asked for.
func (s *stream) survey(ctx context.Context) (current bool) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.list)
	defer cancel()
	newest, objects := "", uint64(0)
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	for range maxSurveyPages {
		body, err := s.getAs(ctx, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json", query)
		if err != nil {
			return false
		}
		var page struct {
			Metadata listMeta                       `json:"metadata"`
			Items    []metav1.PartialObjectMetadata `json:"items"`
		}
		err = json.NewDecoder(io.LimitReader(body, maxSurveyBytes)).Decode(&page)
		body.Close()
		if err != nil {
			return false
		}
		for i := range page.Items {
			o := &page.Items[i].ObjectMeta
			objects ^= fingerprint(o.UID)
			if newest == "" || older(newest, o.ResourceVersion) {
				newest = o.ResourceVersion
			}
		}
		if page.Metadata.Continue == "" {
			return s.match(newest, objects)
		}
		query.Set("continue", page.Metadata.Continue)
	}
	return false
}

// The most that survey reads: 50,000 objects, and of each page 32 MiB.
const (
	maxSurveyPages = 100
	maxSurveyBytes = 32 << 20
)

// fingerprints of objects, joined by XOR, tell two sets apart.
var fingerprints = maphash.MakeSeed()

func fingerprint(uid types.UID) uint64 { return maphash.String(fingerprints, string(uid)) }

// match notes what a watch that is behind must have told to be current, which it may
// have already. newest is "" where there are no objects.
func (s *stream) match(newest string, objects uint64) (current bool) {
	s.mu.Lock()
	s.target, s.objects, s.surveyed = newest, objects, true
	current = s.matches()
	s.mu.Unlock()
	if current {
		s.current(true)
	}
	return current
}

// matches reports whether the watch has told what the last survey found, or is not behind.
// s.mu must be held.
func (s *stream) matches() bool {
	return !s.behind || s.surveyed && s.told == s.objects && (s.target == "" || reaches(s.resourceVersion, s.target))
}

// unproven says in the ledger that a resumed watch is not known to be complete.
func (s *stream) unproven() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind && s.said.Status == store.Gap {
		s.cover(store.Coverage{Status: store.Gap, ResourceVersion: s.said.ResourceVersion, Reason: reasonUnproven})
	}
}
