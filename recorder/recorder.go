// Package recorder listens to an API server and writes what it says into a
// Sink: the objects that exist, every change to them, and, in the coverage
// ledger, for every resource and every moment whether it was listening.
//
// Each resource has one stream, a goroutine that lists and watches
// (stream.go). All streams send to one writer (writer.go) through a queue that
// is bounded in bytes. Objects stay the bytes they came as: they are cut out of
// the stream, redacted in place and written, never decoded.
package recorder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// ErrForbidden is returned when the API server refuses to list every single
// resource that was to be recorded.
var ErrForbidden = errors.New("nothing may be listed")

// Options says what to record and where to. Config, Profile and Sink are
// needed.
type Options struct {
	Config     *rest.Config
	Profile    string   // Minimal, Standard or Full
	Namespaces []string // empty: the whole cluster
	// Resources restricts the profile further, to resources named as kubectl
	// names them ("pods", "deployments.apps"). Empty: all of the profile.
	Resources []string
	// Subjects, unless empty, restricts the recording to what decides about
	// these objects: their namespaces, and what these refer to outside.
	Subjects []store.Ref
	// Confined leaves out what Subjects would want of the whole cluster although
	// it lies in namespaces: for somebody who may not read it.
	Confined bool
	// Selector, unless nil, restricts the kinds that a label selector is about
	// to objects that match, or matched once.
	Selector labels.Selector
	// Follow, unless nil, names more to listen to while recording, such as
	// another namespace that a reference leads to. What the profile does not
	// have, and what is listened to anyway, is ignored.
	Follow <-chan Target
	Sink   Sink
	// Redactor is applied to everything before it reaches the Sink. nil keeps
	// every secret.
	Redactor *redact.Policy
	// Now is the wall clock; nil is time.Now. Every goroutine calls it.
	Now func() time.Time
	// Progress, unless nil, is called from the writer's goroutine, at most ten
	// times a second while streams change their state, otherwise twice.
	Progress func(Progress)
	// Ready, unless nil, is called once from the writer's goroutine, when
	// every resource has been listed, refused, or has failed for some seconds,
	// and all of that has been committed.
	Ready func()
	// LogLines, unless 0, is how many of the last lines of a container's log are
	// recorded when it fails, as objects of kinds.ContainerLogs.
	LogLines int
	// Memory bounds the bytes between the streams and the writer; 0 is 16 MiB.
	Memory int64

	limits  *limits              // nil: defaultLimits
	elapsed func() time.Duration // nil: a stopwatch
}

func (o *Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

func (o *Options) redaction() store.Redaction {
	if o.Redactor == nil {
		return store.Redaction{Policy: "none"}
	}
	return o.Redactor.Redaction()
}

const (
	defaultMemory = 16 << 20
	// listers bounds how many streams list at the same time.
	listers = 8
)

// Run records until ctx ends, and returns nil when everything that was heard
// has been committed. It returns an error only when recording cannot go on: the
// Sink failed, the first discovery did, or nothing at all may be listed.
// Whatever else fails is an entry of the coverage ledger.
func Run(ctx context.Context, o Options) error {
	api, err := newClient(o.Config)
	if err != nil {
		return err
	}
	defer api.close()
	r := newRecording(o, api)
	found, err := r.discover(ctx)
	if err != nil {
		return err
	}
	return r.run(ctx, found)
}

// recording is one run of the recorder.
type recording struct {
	o       Options
	api     *client
	limits  limits
	queue   *queue
	pulse   *liveness
	logs    *containerLogs                    // nil: no logs are read
	listing chan struct{}                     // slots for streams that are listing
	changed chan struct{}                     // other resources are served, or a CustomResourceDefinition changed
	missing chan struct{}                     // a resource was not served
	tags    atomic.Pointer[map[string]string] // of the last discovery
	// followed is what Options.Follow named so far; it belongs to follow.
	followed []Target
}

func newRecording(o Options, api *client) *recording {
	clean := func(s string) string { return s }
	if o.Redactor != nil {
		clean = o.Redactor.Text
	}
	l := defaultLimits
	if o.limits != nil {
		l = *o.limits
	}
	elapsed := o.elapsed
	if elapsed == nil {
		elapsed = stopwatch()
	}
	q := &queue{
		clock:  newClock(o.now, elapsed),
		budget: newBudget(cmp.Or(o.Memory, defaultMemory)),
		heard:  make(chan heard, 1024),
		broken: make(chan struct{}),
		clean:  clean,
	}
	r := &recording{
		o: o, api: api, limits: l, queue: q,
		pulse:   newLiveness(api, q, l),
		listing: make(chan struct{}, listers),
		changed: make(chan struct{}, 1),
		missing: make(chan struct{}, 1),
	}
	if o.LogLines > 0 {
		r.logs = newContainerLogs(api, q, o.LogLines)
	}
	return r
}

// describe sends the discovery document.
func (r *recording) describe(resources []metav1.APIResource) {
	r.queue.describe(r.o.describes(resources))
}

// describes adds to what the cluster has what only the recording has.
func (o *Options) describes(resources []metav1.APIResource) []metav1.APIResource {
	if o.LogLines > 0 {
		resources = append(slices.Clone(resources), containerLogResource)
		sortResources(resources)
	}
	return resources
}

func (r *recording) run(ctx context.Context, found discovered) error {
	wanted, err := r.wanted(found.resources)
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		return fmt.Errorf("profile %s has nothing that this cluster can list and watch", r.o.Profile)
	}
	// The streams stop first, and the writer when it has everything they
	// heard; when the writer fails, they stop because nobody takes it.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(r.queue.heard)
		var pulse sync.WaitGroup
		defer pulse.Wait()
		pulse.Go(func() { r.pulse.run(ctx) })
		pulse.Go(func() { r.look(ctx) })
		if r.logs != nil {
			pulse.Go(func() { r.logs.run(ctx) })
		}
		r.follow(ctx, found)
	}()
	w := &writer{queue: r.queue, sink: r.o.Sink, meter: newMeter(wanted, r.o.Progress, r.queue.clock.now()), ready: r.o.Ready}
	if r.o.Redactor != nil {
		w.redacted = r.o.Redactor.Counts
	}
	err = w.run()
	stop()
	close(r.queue.broken)
	for range r.queue.heard { // until the last stream has ended
	}
	return err
}

// wanted returns the scopes to record: those asked for, and those that turned
// out to be needed.
func (r *recording) wanted(resources []metav1.APIResource) ([]scope, error) {
	wanted, err := r.o.wanted(resources)
	if err != nil || len(r.followed) == 0 {
		return wanted, err
	}
	kinds, err := Kinds(r.o.Profile, resources, r.o.Resources)
	for _, t := range r.followed {
		for _, k := range kinds {
			sc := scope{resourceOf(k), t.Namespace}
			if sc.resource.gvr.GroupResource() != t.Resource.GroupResource() || k.Namespaced != (t.Namespace != "") ||
				slices.Contains(wanted, sc) || slices.Contains(wanted, scope{sc.resource, ""}) {
				continue
			}
			wanted = append(wanted, sc)
		}
	}
	return wanted, err
}

// discover does not wait for ever for a server that hangs.
func (r *recording) discover(ctx context.Context) (discovered, error) {
	ctx, cancel := context.WithTimeout(ctx, r.limits.answer)
	defer cancel()
	return r.api.discover(ctx)
}

// running is a stream that was started.
type running struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

// look asks again and again, until ctx ends, whether the cluster has other resources:
// what is installed during an outage is recorded from its first seconds on.
func (r *recording) look(ctx context.Context) {
	for sleep(ctx, r.limits.look) {
		if tags := r.tags.Load(); tags != nil && r.api.differs(ctx, *tags) {
			r.otherResources()
		}
	}
}

func (r *recording) otherResources() {
	select {
	case r.changed <- struct{}{}:
	default: // it is going to look anyway
	}
}

// follow keeps one stream running for every scope that the cluster has, until
// ctx ends, and returns when all of them have.
func (r *recording) follow(ctx context.Context, found discovered) {
	streams := map[scope]running{}
	defer func() {
		for _, s := range streams {
			s.cancel()
			<-s.done
		}
	}()
	r.describe(found.resources)
	// An API server that has just started does not know its custom resources
	// yet: what vanished is looked for soon, and then less and less often.
	soon := backoff{shortest: r.limits.settle, longest: r.limits.rediscover, last: r.limits.rediscover}
	more := r.o.Follow
	for {
		tags := found.tags
		r.tags.Store(&tags)
		if r.update(ctx, streams, found) {
			soon.reset()
		}
		timer := time.NewTimer(min(soon.next(0), r.limits.rediscover))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case t, open := <-more:
			timer.Stop()
			if !open {
				more = nil
				continue
			}
			r.followed = append(r.followed, t)
			continue
		case <-r.changed:
			timer.Stop()
			// A definition is served a moment after it was written.
			if !sleep(ctx, r.limits.settle) {
				return
			}
		case <-r.missing:
			timer.Stop()
			if soon.last >= soon.longest { // not again and again
				soon.reset()
			}
			if !sleep(ctx, soon.next(0)) {
				return
			}
		case <-timer.C:
		}
		// A discovery that fails changes nothing: the streams themselves know
		// whether they are heard.
		if again, err := r.discover(ctx); err == nil {
			again.keep(found)
			if !reflect.DeepEqual(again.resources, found.resources) {
				r.describe(again.resources)
			}
			found = again
		}
	}
}

// update starts what is wanted and does not run, and stops what the cluster no
// longer has, and reports whether there was any of that.
func (r *recording) update(ctx context.Context, streams map[scope]running, found discovered) (vanished bool) {
	wanted, err := r.wanted(found.resources)
	if err != nil {
		return false // the profile was checked before
	}
	for _, sc := range wanted {
		if s, known := streams[sc]; known {
			select {
			case <-s.done: // it was not served for a moment
			default:
				continue
			}
		}
		streams[sc] = r.start(ctx, sc)
	}
	for sc, s := range streams {
		if slices.Contains(wanted, sc) || found.failed[sc.resource.gvr.GroupVersion()] {
			continue
		}
		s.cancel()
		<-s.done
		delete(streams, sc)
		vanished = true
		r.queue.cover(sc, store.Coverage{Status: store.NotRecorded, Reason: errVanished.Error()})
	}
	return vanished
}

func (r *recording) start(ctx context.Context, sc scope) running {
	s := &stream{
		scope: sc, api: r.api, queue: r.queue, pulse: r.pulse, limits: r.limits, listing: r.listing,
		vanished: func() {
			select {
			case r.missing <- struct{}{}:
			default: // it is going to look anyway
			}
		},
		redact: func(dst, object []byte) ([]byte, error) { return append(dst, object...), rawjson.Check(object) },
	}
	if p := r.o.Redactor; p != nil {
		s.redact = func(dst, object []byte) ([]byte, error) { return p.Object(dst, sc.resource.gvr, object) }
	}
	if r.logs != nil && sc.resource.gvr.Group == "" && sc.resource.gvr.Resource == "pods" {
		s.seen = r.logs.see
	}
	if r.o.selects(sc.resource) {
		s.only = newLabelFilter(r.o.Selector)
	}
	if sc.resource.gvr.GroupResource() == definitions {
		s.noticed = r.otherResources
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		s.run(ctx)
	}()
	return running{cancel, done}
}

var definitions = schema.GroupResource{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"}
