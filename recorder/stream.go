package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// limits are the times the recorder waits for. Tests shorten them.
type limits struct {
	// answer is how long the server may take to begin an answer. Its own limit
	// on a request is a minute, and its words are better than ours.
	answer time.Duration
	// list is how long a watch-list may pause before its end. An API server
	// that does not know watch-lists ignores the question and never ends it.
	list time.Duration
	// silence is how long a watch that sends bookmarks may say nothing. The
	// API server sends one each 60 to 75 s (bookmarkFrequency and its jitter in
	// apiserver/pkg/storage/cacher), so that this is a connection that died
	// without closing, or a server that hangs.
	silence time.Duration
	// watch is the shortest time after which the server is asked to end a
	// watch, the longest being twice that. It finds dead connections where no
	// bookmarks come, and moves streams to new API servers.
	watch time.Duration
	// pulse is how often the server is asked whether it is there, and beat how
	// long it may take to answer that.
	pulse, beat time.Duration
	// hush is how long a resumed watch says nothing before another request asks
	// what it should have said. Silence itself proves nothing: the API server
	// answers 200 before it looks at the resourceVersion, and says 410, or what
	// happened meanwhile, in the stream, as late as its load makes it.
	hush time.Duration
	// probe is how long the server may take to prove it by a bookmark.
	probe time.Duration
	// settle is how long the answer to a small question is waited for, and how
	// long after its definition a resource is served.
	settle time.Duration
	// rediscover is how often the resources of the cluster are read again;
	// what CustomResourceDefinitions say is followed at once.
	rediscover time.Duration
	// look is how often the server is asked whether that has changed, which costs
	// it next to nothing (304 by the entity tag, KEP-3352).
	look   time.Duration
	retry  backoff // after anything that may pass
	refuse backoff // after 403
}

var defaultLimits = limits{
	answer:     70 * time.Second,
	list:       30 * time.Second,
	silence:    120 * time.Second,
	watch:      5 * time.Minute,
	pulse:      15 * time.Second,
	beat:       10 * time.Second,
	hush:       100 * time.Millisecond,
	probe:      10 * time.Second,
	settle:     time.Second,
	rediscover: 2 * time.Minute,
	look:       5 * time.Second,
	retry:      backoff{shortest: 200 * time.Millisecond, longest: 15 * time.Second},
	refuse:     backoff{shortest: 30 * time.Second, longest: 5 * time.Minute},
}

const pageSize = 500

var (
	errClosed   = errors.New("watch closed")
	errVanished = errors.New("the resource is no longer served")
)

// silence is that nothing was heard for so long. When it began to be one is not
// known: what happened in all that time may not have been heard.
type silence time.Duration

func (d silence) Error() string {
	return store.NoAnswer(time.Duration(d))
}

// silent reports whether that is why something ended.
func silent(err error) bool { return errors.As(err, new(silence)) }

// disorder is a watch event that is older than one before it: from its
// resourceVersion on, what was heard may lack something.
type disorder struct{ resourceVersion, after string }

func (d *disorder) Error() string {
	return fmt.Sprintf("watch out of order: resourceVersion %s after %s", d.resourceVersion, d.after)
}

// stream lists and watches one scope, for as long as it lives, and tells the
// writer everything it hears and everything it may have missed.
type stream struct {
	scope    scope
	api      *client
	queue    *queue
	pulse    *liveness
	limits   limits
	listing  chan struct{}                             // slots for streams that are listing
	redact   func(dst, object []byte) ([]byte, error)  // appends the redacted object
	noticed  func()                                    // called for each change, unless nil
	seen     func(kind watch.EventType, object []byte) // called with each object that is recorded, as it came, unless nil
	vanished func()                                    // called when the resource is not served
	only     *labelFilter                              // which objects are recorded; nil is all

	paginated     bool // the server does not do watch-lists
	retry, refuse backoff
	unreached     bool // the last attempt did not come to an answer of the API server

	reorder  backoff   // after disorder: a server that has none does not get better by a list
	shuffled time.Time // the last time

	unmarked bool // the server sends no bookmarks; only the goroutine that proves knows it

	newest string    // where the server was when it was asked; "" if it was not, or did not say
	asked  time.Time // when it was

	// mu orders what the stream says itself with what its proof says. Only the
	// stream itself changes resourceVersion, so it may look without mu.
	mu              sync.Mutex
	target          string         // proven: a watch that is behind is current when it reaches this; "" is not known
	surveyed        bool           // and when it has told these objects and no others
	objects         uint64         // fingerprints of what there is, joined by XOR
	told            uint64         // and of what was told, less what was deleted
	resourceVersion string         // where to go on; "" before a list was completed
	said            store.Coverage // last ledger entry
	relisted        bool           // since it was current
	behind          bool           // the watch was answered, but not all that happened meanwhile may have come
}

// run ends when ctx does or when the resource is no longer served.
func (s *stream) run(ctx context.Context) {
	s.retry, s.refuse = s.limits.retry, s.limits.refuse
	for ctx.Err() == nil {
		err := s.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		again, wait := s.interrupted(err)
		if !again || !s.rest(ctx, wait) {
			return
		}
	}
}

// rest waits before the next attempt; false when ctx ended first. Who could not
// reach the API server need not wait when it is there again.
func (s *stream) rest(ctx context.Context, wait time.Duration) bool {
	if !s.unreached {
		return sleep(ctx, wait)
	}
	back := s.pulse.whenBack()
	s.pulse.doubt()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-back:
		return sleep(ctx, vary(s.limits.retry.shortest)) // not all at the same time
	case <-ctx.Done():
		return false
	}
}

// listen follows the stream until it breaks, and returns why it did.
func (s *stream) listen(ctx context.Context) error {
	if s.resourceVersion != "" {
		return s.watch(ctx, nil)
	}
	// Lists wait for one another: what the network has already delivered of
	// each is held in memory, up to 4 MiB with HTTP/2.
	select {
	case s.listing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	listed := sync.OnceFunc(func() { <-s.listing })
	defer listed()
	if !s.paginated {
		return s.watch(ctx, listed)
	}
	if err := s.list(ctx); err != nil {
		return err
	}
	listed()
	return s.watch(ctx, nil)
}

// interrupted writes down why the stream broke and returns whether, and after
// which time, to try again.
func (s *stream) interrupted(err error) (again bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var refused *refusal
	errors.As(err, &refused)
	s.unreached = refused == nil
	listing := s.resourceVersion == ""
	switch {
	case refused == nil && listing && !s.paginated && (silent(err) || errors.Is(err, errClosed)):
		s.paginated = true // it does not know watch-lists, and did not say so
	case refused == nil:
	case refused.expired():
		if s.resourceVersion != "" && !s.relisted {
			// It was away, maybe for long, but it answers: list at once. Only if
			// that fails, or helps nothing, is there a reason to wait longer each time.
			s.retry.reset()
		}
		s.resourceVersion = ""
		err = fmt.Errorf("410 Gone: %w", err)
	case refused.code == http.StatusForbidden:
		s.cover(store.Coverage{Status: store.Forbidden, Reason: err.Error()})
		return true, s.refuse.next(refused.retryAfter)
	case refused.code == http.StatusNotFound || refused.code == http.StatusMethodNotAllowed:
		s.cover(store.Coverage{Status: store.NotRecorded, Reason: err.Error()})
		s.vanished()
		return false, 0
	case listing && !s.paginated && (refused.code == http.StatusBadRequest || refused.code == http.StatusUnprocessableEntity):
		s.paginated = true
		return true, 0
	}
	stood := s.resourceVersion
	if d := (*disorder)(nil); errors.As(err, &d) {
		stood = d.resourceVersion
		if time.Since(s.shuffled) > s.limits.watch {
			s.reorder = s.limits.retry
		}
		s.shuffled = time.Now()
		wait = s.reorder.next(0)
	}
	s.cover(store.Coverage{Status: store.Gap, ResourceVersion: stood, Reason: err.Error()})
	var asked time.Duration
	if refused != nil {
		asked = refused.retryAfter
	}
	return true, max(wait, s.retry.next(asked))
}

// watch follows one watch until it ends. With listed, which is called at the
// end of the list, it is a watch-list: the objects that exist, a bookmark that
// ends them, then changes (KEP-3157).
func (s *stream) watch(ctx context.Context, listed func()) error {
	lifetime := s.limits.watch + vary(s.limits.watch)/2
	query := url.Values{
		"watch":               {"1"},
		"allowWatchBookmarks": {"true"},
		"timeoutSeconds":      {strconv.Itoa(int(max(lifetime, time.Second) / time.Second))},
		"resourceVersion":     {s.resourceVersion},
	}
	if listed != nil {
		query.Del("resourceVersion") // the newest state
		query.Set("sendInitialEvents", "true")
		query.Set("resourceVersionMatch", "NotOlderThan")
	}
	body, err := s.get(ctx, query)
	if err != nil {
		return err
	}
	defer body.Close()
	behind := listed == nil
	if listed != nil {
		s.begin()
		body.limit = s.limits.list
	} else {
		defer s.open(ctx, body)()
		body.limit = lifetime + s.limits.answer
	}
	texts := newSplitter(body)
	for {
		text, err := texts.next()
		switch {
		case err == io.EOF:
			return errClosed
		case err != nil:
			return err
		}
		kind, object, err := splitEvent(text)
		if err != nil {
			return err
		}
		if behind && kind != watch.Error && kind != watch.Bookmark {
			behind = s.catchUp(ctx) // there may have been nothing to catch up on
		}
		ended, err := s.hear(kind, object)
		if err == nil && kind == watch.Bookmark {
			err = s.rewound(ctx, object)
		}
		if behind && err == nil {
			behind = s.catchUp(ctx)
		}
		switch {
		case err != nil:
			return err
		case ended && listed != nil:
			listed()
			listed = nil
			s.current(false)
			body.limit = lifetime + s.limits.answer
		case kind == watch.Bookmark && !ended:
			body.limit = s.limits.silence
		}
	}
}

// hear passes one watch event on. ended is true for the bookmark that ends a
// watch-list.
func (s *stream) hear(kind watch.EventType, object []byte) (ended bool, err error) {
	meta, err := scanMetadata(object, s.scope.resource.namespaced)
	if err != nil {
		return false, err
	}
	keep := true
	if s.only != nil && kind != watch.Bookmark && kind != watch.Error {
		if keep, err = s.only.keeps(kind, meta.uid, object); err != nil {
			return false, err
		}
	}
	var copied []byte
	if keep {
		copied, err = s.redact(s.queue.buffer(), object)
	}
	switch {
	case err != nil:
		return false, err // the bytes are not safe to keep
	case len(copied) > 2*largestText:
		return false, errTooLarge // grown by what stands for its secrets
	}
	event := store.Event{
		Type: kind, Resource: s.scope.resource.gvr,
		Namespace: meta.namespace, Name: meta.name, UID: meta.uid, ResourceVersion: meta.resourceVersion,
		Object: copied,
	}
	if kind == watch.Error {
		s.doubt()
		event.Namespace, event.Name, event.UID, event.ResourceVersion = s.scope.namespace, "", "", ""
		status, err := decodeStatus(copied)
		s.queue.event(s.scope, event)
		if err != nil {
			return false, err
		}
		return false, newRefusal(status)
	}
	if meta.resourceVersion == "" {
		return false, fmt.Errorf("watch event %s without a resourceVersion", kind)
	}
	if kind != watch.Bookmark && s.resourceVersion != "" && older(meta.resourceVersion, s.resourceVersion) {
		// Somebody on the way repeats or shuffles what the API server said.
		// How much was passed over cannot be known, but what is can be.
		err := &disorder{meta.resourceVersion, s.resourceVersion}
		s.stand("")
		return false, err
	}
	if kind == watch.Bookmark {
		event.Namespace, event.Name, event.UID = s.scope.namespace, "", ""
		if !older(meta.resourceVersion, s.resourceVersion) {
			s.current(true) // everything before it has come
		}
	}
	if keep {
		s.queue.event(s.scope, event)
		if s.seen != nil && kind != watch.Bookmark {
			s.seen(kind, object)
		}
	}
	switch kind {
	case watch.Added, watch.Deleted:
		s.mu.Lock()
		s.told ^= fingerprint(meta.uid)
		s.mu.Unlock()
	}
	if s.noticed != nil && s.resourceVersion != "" && kind != watch.Bookmark {
		s.noticed()
	}
	if kind == watch.Bookmark && meta.listEnd || s.resourceVersion != "" && !older(meta.resourceVersion, s.resourceVersion) {
		// The objects of a watch-list come in no order: until it has ended
		// there is no resourceVersion to go on from.
		s.stand(meta.resourceVersion)
	}
	return kind == watch.Bookmark && meta.listEnd, nil
}

// older compares two resourceVersions of one resource; those that cannot be
// compared are not older.
func older(a, b string) bool {
	c, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && c < 0
}

// reaches reports whether a is surely not older than b.
func reaches(a, b string) bool {
	c, err := resourceversion.CompareResourceVersion(a, b)
	return a == b || err == nil && c >= 0
}

// begin says that a list is under way.
func (s *stream) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relisted = true
	s.told = 0
	s.cover(store.Coverage{Status: store.Listing})
	s.queue.event(s.scope, store.Event{Type: store.Relist, Resource: s.scope.resource.gvr, Namespace: s.scope.namespace})
}

// stand notes where to go on.
func (s *stream) stand(resourceVersion string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resourceVersion = resourceVersion
}

// open says that a watch was answered that goes on where the last one broke
// off. It tells first what happened meanwhile. Until it has, the interval before
// is not known, and would be lost if the watch broke again and history was gone.
// When the watch pauses, another goroutine looks for a proof that it has told
// everything; the function returned ends that.
func (s *stream) open(ctx context.Context, body *response) (end func()) {
	s.newest, s.asked = "", time.Time{}
	s.mu.Lock()
	s.behind, s.target, s.surveyed = true, "", false
	s.mu.Unlock()
	from := s.resourceVersion
	ctx, cancel := context.WithCancel(ctx)
	paused := make(chan struct{}, 1)
	body.whenQuiet(s.limits.hush, func() {
		select {
		case paused <- struct{}{}:
		default:
		}
	})
	var proving sync.WaitGroup
	proving.Go(func() {
		select {
		case <-paused:
			s.prove(ctx, from)
		case <-ctx.Done():
		}
	})
	return func() {
		s.doubt()
		cancel()
		proving.Wait()
	}
}

// catchUp says that a watch that was behind is current if it has told as much as
// had happened when the API server was asked for that, which it is here, or as
// much as was proven. A bookmark says the same without a question. It returns
// whether the watch is still behind.
func (s *stream) catchUp(ctx context.Context) bool {
	s.mu.Lock()
	target, matches := s.target, s.matches()
	if s.surveyed {
		target = "" // it says what was told, too
	}
	s.mu.Unlock()
	if matches {
		s.current(true)
		return false
	}
	if s.newest == "" && target == "" && time.Since(s.asked) > s.limits.settle {
		s.newest = s.ask(ctx)
		s.asked = time.Now()
	}
	for _, enough := range []string{s.newest, target} {
		if enough != "" && reaches(s.resourceVersion, enough) {
			s.current(true)
			return false
		}
	}
	return true
}

// rewound returns an error if the API server knows less than it once told: its
// etcd was restored from an older copy. It sends nothing then until it has come as
// far again, but bookmarks, which say so. One of a server that is merely behind
// the others is older too; a list is not.
func (s *stream) rewound(ctx context.Context, bookmark []byte) error {
	meta, err := scanMetadata(bookmark, false)
	if err != nil || !older(meta.resourceVersion, s.resourceVersion) {
		return err
	}
	newest := s.ask(ctx)
	if newest == "" || !older(newest, s.resourceVersion) {
		return nil
	}
	err = &disorder{newest, s.resourceVersion}
	s.stand("")
	return err
}

// current says that all there is was told and the watch is open: after a list,
// or, with resumed, by a watch that was behind; what was not behind says nothing.
func (s *stream) current(resumed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if resumed && !s.behind {
		return
	}
	s.behind = false
	s.retry.reset()
	s.refuse.reset()
	c := store.Coverage{
		Status: store.Current, ResourceVersion: s.resourceVersion,
		Resumed: !s.relisted,
	}
	if s.only != nil {
		c.Status, c.Reason = store.Partial, s.only.reason()
	}
	s.cover(c)
	s.relisted = false
}

// reach notes how far a watch that is behind must have come to be current, which
// it may be already.
func (s *stream) reach(resourceVersion string) (current bool) {
	s.mu.Lock()
	s.target, s.surveyed = resourceVersion, false
	current = !s.behind || reaches(s.resourceVersion, resourceVersion)
	s.mu.Unlock()
	if current {
		s.current(true)
	}
	return current
}

// doubt says that a watch that is behind is not going to catch up.
func (s *stream) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = false
}

// cover writes a ledger entry, unless it would repeat the last one. s.mu must
// be held.
func (s *stream) cover(c store.Coverage) {
	if c.Status == s.said.Status && c.Reason == s.said.Reason && c.Status != store.Listing {
		return
	}
	s.said = c
	s.queue.cover(s.scope, c)
}
