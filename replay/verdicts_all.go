package replay

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/store"
)

// Course is the verdicts on one subject.
type Course struct {
	Subject  store.Ref
	Segments []Segment
}

// AllVerdicts yields the raw segments of every Service there was between two
// instants, ordered by namespace and name, as far as they are computed when ctx
// is done; then its error. Several Services are looked at at the same time;
// progress, if not nil, is called from the caller's goroutine after each.
func AllVerdicts(ctx context.Context, t Timeline, from, to time.Time, progress func(done, total int)) iter.Seq2[Course, error] {
	return func(yield func(Course, error) bool) {
		h, err := newHeard(t)
		if err != nil {
			yield(Course{}, err)
			return
		}
		subjects, err := h.services()
		if err != nil {
			yield(Course{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()
		results := h.work(ctx, &workers, subjects, from, to)
		for i, result := range results {
			select {
			case r := <-result:
				if !yield(r.course, r.err) || r.err != nil {
					return
				}
				if progress != nil {
					progress(i+1, len(subjects))
				}
			case <-ctx.Done():
				yield(Course{}, ctx.Err())
				return
			}
		}
	}
}

type computed struct {
	course Course
	err    error
}

// work starts the workers. Each subject has a channel of its own, so that the
// results come in order; a worker begins with the next subject only when it has
// handed the last one over, so few are kept.
func (h *heard) work(ctx context.Context, workers *sync.WaitGroup, subjects []store.Ref, from, to time.Time) []chan computed {
	results := make([]chan computed, len(subjects))
	for i := range results {
		results[i] = make(chan computed)
	}
	var mu sync.Mutex
	next := 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			cache := &objects{} // of its own: Services share little but Nodes
			for i := take(); i < len(subjects); i = take() {
				segments, err := verdicts(ctx, h.timeline, h, cache, subjects[i], from, to)
				select {
				case results[i] <- computed{Course{subjects[i], segments}, err}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return results
}

// services returns the Services that ever existed, by namespace and name.
func (h *heard) services() ([]store.Ref, error) {
	seqs, err := h.index.Touched(store.Query{Resource: Services}, 1, h.last)
	if err != nil {
		return nil, err
	}
	seen := map[store.Ref]bool{}
	var refs []store.Ref
	for _, seq := range seqs {
		e, err := h.timeline.Event(seq)
		if err != nil {
			return nil, err
		}
		if ref := e.Ref(); e.IsObject() && !seen[ref] {
			seen[ref] = true
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b store.Ref) int {
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return refs, nil
}
