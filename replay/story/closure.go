package story

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Closure is what of a timeline the answers about some subjects in a window
// rest on: the objects that are looked at, and of each how far back. A part of
// the timeline with all versions of these objects from there on, and with the
// coverage in force, answers as the whole does.
//
// It is found by asking: every report in the window is made, and what it reads
// is noted. So it holds whatever the analyzer comes to look at.
type Closure struct {
	// Oldest is the position of the oldest version looked at of each object. It
	// may lie behind the beginning of the window: then only what the object is
	// there counts.
	Oldest map[store.Ref]store.Seq

	mu sync.Mutex
}

// current notes an object of which no past is needed.
const current = store.Seq(math.MaxUint64)

func (c *Closure) note(ref store.Ref, seq store.Seq) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.Oldest[ref]; !ok || seq < known {
		c.Oldest[ref] = seq
	}
}

// ClosureOf returns the closure of the subjects between two instants. With
// causes, what explains every change of verdict in the window is in it, too,
// also where that happened before. Several subjects are looked at at the same
// time; progress, if not nil, is called after each, never concurrently.
func ClosureOf(ctx context.Context, t replay.Timeline, subjects []store.Ref, from, to time.Time, causes bool, progress func(done, total int)) (*Closure, error) {
	h, err := verdict.NewIndex(t)
	if err != nil {
		return nil, err
	}
	c := &Closure{Oldest: map[store.Ref]store.Seq{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	var mu sync.Mutex
	var failed error
	next, done := 0, 0
	take := func() (store.Ref, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(subjects) || failed != nil || ctx.Err() != nil {
			return store.Ref{}, false
		}
		next++
		return subjects[next-1], true
	}
	finish := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if done++; err != nil && failed == nil {
			failed = err
			cancel()
		}
		if progress != nil {
			progress(done, len(subjects))
		}
	}
	for range min(runtime.GOMAXPROCS(0), len(subjects)) {
		workers.Go(func() {
			cache := &replay.Cache{}
			for ref, ok := take(); ok; ref, ok = take() {
				finish(c.subject(ctx, t, h, cache, ref, from, to, causes))
			}
		})
	}
	workers.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return c, failed
}

// subject notes what the answers about one subject rest on.
func (c *Closure) subject(ctx context.Context, t replay.Timeline, h *verdict.Index, cache *replay.Cache, ref store.Ref, from, to time.Time, causes bool) error {
	c.note(ref, current)
	if err := c.read(h, replay.NewCursorWith(t, cache), ref, from, to, ctx.Err); err != nil || !causes {
		return err
	}
	course := verdict.NewCourse(h, cache, ref, from, to)
	for !course.Over {
		if err := cmp.Or(ctx.Err(), course.Step()); err != nil {
			return err
		}
	}
	x := &explainer{&cause.Finder{Timeline: t, Index: h, Cache: cache, Subject: ref}}
	s, err := h.Seek(replay.NewCursorWith(t, cache), to)
	if err != nil {
		return err
	}
	for _, near := range cause.RelationsOf(s, ref).Refs {
		c.note(near, current)
	}
	if err := s.Err(); err != nil {
		return err
	}
	segments := verdict.Settle(course.Segments)
	for i := range segments {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i == 0 || segments[i].Gap != "" {
			continue // nothing is said of where it comes from
		}
		tr, err := x.transition(segments, i, i)
		if err != nil {
			return err
		}
		if !verdict.Healthy(tr.Report.Verdict.State) {
			x.Causes = tr.Later.Because
		}
		if err := c.transition(t, &tr); err != nil {
			return err
		}
		at := segments[i].From.Add(min(cause.Aftermath, segments[i].To.Sub(segments[i].From)))
		if err := c.undone(t, h, cache, ref, at, tr.Changes); err != nil {
			return err
		}
	}
	risks, err := x.risks(ctx, segments)
	if err != nil {
		return err
	}
	for i := range risks {
		if err := c.transition(t, &Transition{Changes: []change.Change{risks[i].Change}}); err != nil {
			return err
		}
	}
	return nil
}

// transition notes what explains a change of verdict.
func (c *Closure) transition(t replay.Timeline, tr *Transition) error {
	changes := tr.Changes
	if tr.LastChange != nil {
		changes = append(slices.Clip(changes), *tr.LastChange)
	}
	var also []store.Seq
	for i := range changes {
		change := &changes[i]
		c.note(change.Ref, change.Seq)
		for _, o := range []*analyzer.Object{change.Before, change.After} {
			if o != nil {
				c.note(change.Ref, o.Seq)
			}
		}
		also = append(also, change.With...)
		if change.NamedBy > 0 {
			also = append(also, change.NamedBy)
		}
	}
	for _, l := range tr.Lost {
		also = append(also, l.Seq)
	}
	for _, seq := range also {
		e, err := t.Event(seq)
		if err != nil {
			continue // a change of coverage, or the end of a list
		}
		if !e.IsObject() {
			continue
		}
		c.note(e.Ref(), seq)
		past, err := t.History(e.Ref(), seq)
		if err != nil {
			return err
		}
		if n := len(past); n > 1 {
			c.note(e.Ref(), past[n-2]) // what it was before
		}
	}
	return nil
}

// undone notes the world before changes that are proved by undoing them: what they
// took away is put back for that, as it was. The oldest of them decides: later versions
// are in the closure, too.
func (c *Closure) undone(t replay.Timeline, h *verdict.Index, cache *replay.Cache, subject store.Ref, at time.Time, changes []change.Change) error {
	first := current
	for i := range changes {
		if changes[i].Link == change.Counterfactual {
			first = min(first, slices.Min(append([]store.Seq{changes[i].Seq}, changes[i].With...)))
		}
	}
	if first <= 1 || first == current {
		return nil
	}
	s, err := h.Seek(replay.NewCursorWith(t, cache), at)
	if err != nil {
		return err
	}
	then := s.Before(first)
	for _, ref := range cause.RelationsOf(s, subject).Refs {
		if o := then.Get(ref); o != nil {
			c.note(ref, o.Seq)
		}
	}
	return s.Err()
}

// subjects are the resources the analyzer has reports on.
var subjects = []schema.GroupVersionResource{
	replay.Services, replay.Pods, replay.Nodes,
	replay.Workloads["Deployment"], replay.Workloads["ReplicaSet"], replay.Workloads["StatefulSet"], replay.Workloads["DaemonSet"], replay.Workloads["ReplicationController"],
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
	{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "grpcroutes"},
}

// SubjectsIn returns everything that can be asked about in a window: all
// subjects that exist at some time in it, and the Services there ever were up
// to its end, ordered by resource, namespace and name.
func SubjectsIn(t replay.Timeline, from, to time.Time) ([]store.Ref, error) {
	first, err := t.SeqAt(from)
	if err != nil {
		return nil, err
	}
	last, err := t.SeqAt(to)
	if err != nil {
		return nil, err
	}
	var refs []store.Ref
	for _, resource := range subjects {
		q := store.Query{Resource: resource}
		since := first + 1
		if resource == replay.Services {
			since = 1
		}
		seqs, err := t.Find(q, first)
		if err != nil {
			return nil, err
		}
		touched, err := t.Touched(q, since, last)
		if err != nil {
			return nil, err
		}
		of, err := replay.RefsAt(t, append(seqs, touched...))
		if err != nil {
			return nil, err
		}
		refs = append(refs, of...)
	}
	slices.SortFunc(refs, replay.CompareRefs)
	return refs, nil
}
