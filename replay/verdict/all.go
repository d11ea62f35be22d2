package verdict

import (
	"container/heap"
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// together is how many Services are judged side by side. All that is heard of
// them is read once and in order, and what they look at is held in memory.
const together = 250

// All yields the raw segments of every Service there was between two
// instants, ordered by namespace and name. Their reports hold the verdict, the
// headline and the number of endpoints only. When ctx is done it yields what is
// known by then, which may end earlier, then its error. Several groups of
// Services are judged at the same time; progress, if not nil, is called from the
// caller's goroutine now and then: all Services go on together, so done says to
// how many of them the work amounts.
func All(ctx context.Context, t replay.Timeline, from, to time.Time, progress func(done, total int)) iter.Seq2[Course, error] {
	return AllAnd(ctx, t, nil, from, to, progress)
}

// AllAnd is All, and judges the subjects named too. Whoever follows a recording
// that grows names those that were there: what a list no longer has is Absent only
// when the list has ended, and nothing in between names the Service.
func AllAnd(ctx context.Context, t replay.Timeline, named []store.Ref, from, to time.Time, progress func(done, total int)) iter.Seq2[Course, error] {
	return func(yield func(Course, error) bool) {
		h, err := NewIndexFrom(t, from)
		if err != nil {
			yield(Course{}, err)
			return
		}
		h.whole = true
		subjects, err := h.services()
		if err != nil {
			yield(Course{}, err)
			return
		}
		subjects = slices.Concat(subjects, named)
		slices.SortFunc(subjects, replay.CompareRefs)
		subjects = slices.Compact(subjects)
		ctx, cancel := context.WithCancel(ctx)
		all := h.work(ctx, subjects, from, to)
		defer func() {
			cancel()
			close(all.quit)
			<-all.ended
		}()
		beat := time.NewTicker(100 * time.Millisecond)
		defer beat.Stop()
		for i := 0; i < len(all.groups); {
			select {
			case r := <-all.groups[i]:
				for _, c := range r.courses {
					if !yield(*c, nil) {
						return
					}
				}
				if r.err != nil {
					yield(Course{}, r.err)
					return
				}
				i++
			case <-all.ended: // nobody will judge this group
				yield(Course{}, ctx.Err())
				return
			case <-beat.C:
			}
			if progress != nil {
				progress(int(all.done()*float64(len(subjects))), len(subjects))
			}
		}
	}
}

// sweeps are the groups of Services being judged.
type sweeps struct {
	groups  []chan swept
	reached []atomic.Int64 // by group: time since from
	length  time.Duration
	quit    chan struct{} // closed when nobody takes results any more
	ended   chan struct{} // closed when all workers have ended
}

type swept struct {
	courses []*Course
	err     error
}

// done is the share of the work that is done.
func (s *sweeps) done() float64 {
	if s.length <= 0 || len(s.reached) == 0 {
		return 1
	}
	sum := 0.0
	for i := range s.reached {
		sum += min(1, float64(s.reached[i].Load())/float64(s.length))
	}
	return sum / float64(len(s.reached))
}

// work starts the workers. Each group has a channel of its own, so that the
// results come in order; a worker begins with the next group only when it has
// handed the last one over, so few are kept.
func (h *Index) work(ctx context.Context, subjects []store.Ref, from, to time.Time) *sweeps {
	groups := slices.Collect(slices.Chunk(subjects, together))
	all := &sweeps{
		groups: make([]chan swept, len(groups)), reached: make([]atomic.Int64, len(groups)), length: to.Sub(from),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	for i := range groups {
		all.groups[i] = make(chan swept)
	}
	var workers sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(groups)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(groups) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				var r swept
				r.courses, r.err = h.sweep(ctx, groups[i], from, to, &all.reached[i])
				select {
				case all.groups[i] <- r:
				case <-all.quit:
					return
				}
			}
		})
	}
	go func() {
		workers.Wait()
		close(all.ended)
	}()
	return all
}

// sweep judges Services side by side, in the order of time.
func (h *Index) sweep(ctx context.Context, subjects []store.Ref, from, to time.Time, reached *atomic.Int64) ([]*Course, error) {
	// Of its own: groups share little but Nodes. What is current is held by the
	// courses themselves, so only the latest past is looked for here.
	cache := replay.NewCache(4 * together)
	all := make([]*Course, len(subjects))
	line := make(queue, 0, len(subjects))
	for i, subject := range subjects {
		all[i] = NewCourse(h, cache, subject, from, to)
		if !all[i].Over {
			line = append(line, all[i])
		}
	}
	for len(line) > 0 {
		if ctx.Err() != nil {
			for _, c := range line {
				c.stop()
			}
			return all, ctx.Err()
		}
		c := line[0]
		if err := c.Step(); err != nil {
			return all, err
		}
		reached.Store(int64(c.at.Sub(from)))
		if !c.Over {
			heap.Fix(&line, 0)
			continue
		}
		heap.Pop(&line)
		c.scene, c.judge = nil, analyzer.Judge{}
	}
	reached.Store(int64(to.Sub(from)))
	return all, nil
}

// queue orders courses by when they are judged next: a heap.
type queue []*Course

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*Course)) }
func (q *queue) Pop() any {
	old := *q
	c := old[len(old)-1]
	*q = old[:len(old)-1]
	return c
}

// services returns the Services that exist at the first position or are touched
// later, by namespace and name.
func (h *Index) services() ([]store.Ref, error) {
	q := store.Query{Resource: replay.Services}
	seqs, err := h.timeline.Touched(q, h.first, h.Last)
	if err == nil && h.first > 1 {
		var there []store.Seq
		there, err = h.timeline.Find(q, h.first)
		seqs = append(there, seqs...)
	}
	if err != nil {
		return nil, err
	}
	return replay.RefsAt(h.timeline, seqs)
}
