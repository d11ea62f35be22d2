package apiserver

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// stage is one instant of the recording being served. It holds the position
// that clients see. If it plays, one goroutine moves it on and publishes what
// happened on the way; watches follow at their own pace.
//
// Clients speak of resourceVersions, the recording of positions. All that a
// client can have seen here is the state at the first position and what was
// published since, so a resourceVersion is understood by what was published:
// trail has the highest one of each resource after each change. One that is
// older than all of them means the first position.
type stage struct {
	timeline replay.Timeline
	began    moment
	end      store.Seq // where the recorder stopped, unless it goes on
	speed    float64
	now      func() time.Time
	start    time.Time       // by now, when time began to move
	ended    <-chan struct{} // closed when the server stops

	anchors anchors // what resources had come to at first

	mu      sync.RWMutex
	known   *catalogue // of the resources at knownAt
	knownAt store.Seq
	seq     store.Seq
	recent  []*change // the last ones published, oldest first, at most keepRecent
	trail   map[schema.GroupVersionResource][]step
	moved   chan struct{} // closed and replaced when something was published
}

// moment is where a stage is: the position, and the time ages are measured at.
type moment struct {
	seq  store.Seq
	time time.Time
}

// step is how far the resourceVersions of a resource had come at a position.
type step struct {
	seq store.Seq
	rv  uint64
}

// keepRecent bounds the changes held for watches. One that falls further
// behind reads them from the timeline again.
const keepRecent = 4096

func newStage(t replay.Timeline, i Instant, o Options) (*stage, error) {
	st := &stage{
		timeline: t, began: moment{i.Seq, i.Time.UTC()}, speed: o.Speed, now: o.Now,
		trail: map[schema.GroupVersionResource][]step{},
		moved: make(chan struct{}),
	}
	if i.Seq == 0 {
		var err error
		if st.began.seq, err = t.SeqAt(i.Time); err != nil {
			return nil, err
		}
	}
	info := t.Info()
	if st.began.seq > info.Last {
		return nil, fmt.Errorf("position %d: the recording ends at %d", st.began.seq, info.Last)
	}
	st.end = math.MaxUint64
	if info.Closed {
		// Behind its end the ledger only says that nobody listens any more.
		state, err := replay.NewCursor(t).End()
		if err != nil {
			return nil, err
		}
		st.end = state.Seq()
	}
	st.began.seq = min(st.began.seq, st.end)
	st.seq = st.began.seq
	st.anchors = anchors{timeline: t, unread: st.seq}
	if _, err := st.catalogue(); err != nil {
		return nil, err
	}
	if st.speed > 0 {
		st.start = st.now()
	}
	return st, nil
}

// moment returns what is served now.
func (st *stage) moment() moment {
	st.mu.RLock()
	seq := st.seq
	st.mu.RUnlock()
	return moment{seq, st.time()}
}

// catalogue returns what the cluster had at the position that is served now.
func (st *stage) catalogue() (*catalogue, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.known != nil && st.knownAt == st.seq {
		return st.known, nil
	}
	c, err := newCatalogue(st.timeline, st.seq)
	if err != nil {
		return nil, err
	}
	st.known, st.knownAt = c, st.seq
	return c, nil
}

// time is the moment of the recording that is now.
func (st *stage) time() time.Time {
	if st.speed == 0 {
		return st.began.time
	}
	end := st.timeline.Info().End
	passed := float64(st.now().Sub(st.start)) * st.speed // may be more than a Duration holds
	if passed >= float64(end.Sub(st.began.time)) {
		return end
	}
	return st.began.time.Add(time.Duration(passed))
}

// play moves the stage on until the recording or ctx ends.
func (st *stage) play(ctx context.Context) {
	// Changes closer together than this are published together.
	const pace = 5 * time.Millisecond
	for seq := st.began.seq; ; {
		reached, err := st.timeline.SeqAt(st.time())
		reached = min(reached, st.end)
		if err == nil && reached > seq {
			st.publish(seq, reached)
			seq = reached
		}
		if seq >= st.end {
			return
		}
		if st.timeline.Info().Last <= seq {
			if st.timeline.Wait(ctx, seq) != nil {
				return // at the end, or stopped
			}
			continue
		}
		wait := pace
		if next, err := st.timeline.TimeOf(seq + 1); err == nil {
			wait = max(pace, time.Duration(float64(next.Sub(st.time()))/st.speed))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// publish moves the stage to a position and tells the watches.
func (st *stage) publish(after, to store.Seq) {
	changes := st.read(after, to)
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, c := range changes {
		steps := st.trail[c.Resource]
		rv := parseVersion(c.ResourceVersion)
		if n := len(steps); n == 0 || rv > steps[n-1].rv {
			st.trail[c.Resource] = append(steps, step{c.Seq, rv})
		}
	}
	st.recent = append(st.recent, changes...)
	if extra := len(st.recent) - keepRecent; extra > 0 {
		st.recent = slices.Delete(st.recent, 0, extra)
	}
	st.seq = to
	close(st.moved)
	st.moved = make(chan struct{})
}

// since returns the changes of a resource after a position, up to the position
// it returns, and what is closed when there is more.
func (st *stage) since(after store.Seq, resource schema.GroupVersionResource) ([]*change, store.Seq, <-chan struct{}) {
	st.mu.RLock()
	to, moved, recent := st.seq, st.moved, st.recent
	first := st.began.seq // recent has everything after it
	if len(recent) == keepRecent {
		first = recent[0].Seq // perhaps not all of that position
	}
	from := sort.Search(len(recent), func(i int) bool { return recent[i].Seq > after })
	behind := slices.Clone(recent[from:])
	st.mu.RUnlock()
	if after < first {
		behind = st.read(after, to)
	}
	return slices.DeleteFunc(behind, func(c *change) bool { return c.Resource != resource }), max(after, to), moved
}

// seek returns the position at which a client stands that has seen a resource
// up to a resourceVersion. Where two streams of one resource were recorded
// their versions are not in order; then it is the earlier position, for to hear
// something twice does no harm.
func (st *stage) seek(resource schema.GroupVersionResource, version string) store.Seq {
	rv := parseVersion(version)
	st.mu.RLock()
	defer st.mu.RUnlock()
	steps := st.trail[resource]
	n := sort.Search(len(steps), func(i int) bool { return steps[i].rv > rv })
	switch {
	case n == 0:
		return st.began.seq
	case steps[n-1].rv == rv:
		return steps[n-1].seq
	case n < len(steps):
		return steps[n].seq - 1
	}
	return st.seq
}

// version returns the resourceVersion that a resource has come to at a position.
func (st *stage) version(resource schema.GroupVersionResource, at store.Seq) string {
	st.mu.RLock()
	steps := st.trail[resource]
	n := sort.Search(len(steps), func(i int) bool { return steps[i].seq > at })
	st.mu.RUnlock()
	if n > 0 {
		return strconv.FormatUint(steps[n-1].rv, 10)
	}
	return strconv.FormatUint(st.anchors.of(resource), 10)
}

// parseVersion reads a resourceVersion as the number it is on every API server
// (KEP-5504); 0 if it is none.
func parseVersion(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
