package replay

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// State is everything known at one instant. It is an analyzer.View: immutable,
// and read from the timeline only as far as somebody looks. It may be used
// after the cursor has moved on, and by several goroutines.
type State struct {
	timeline Timeline
	objects  *Cache
	seq      store.Seq
	instant  time.Time

	mu    sync.Mutex
	err   error
	noted map[string]bool // texts of what err joins
}

var _ analyzer.View = (*State)(nil)

// Start is when the recorder began to listen.
func (s *State) Start() time.Time {
	info := s.timeline.Info()
	return info.Began()
}

// Instant is the moment looked at.
func (s *State) Instant() time.Time { return s.instant }

// Seq is the last position at or before the instant, 0 before the first.
func (s *State) Seq() store.Seq { return s.seq }

// Timeline returns where the state is read from.
func (s *State) Timeline() Timeline { return s.timeline }

// Cache returns what the state keeps decoded objects in.
func (s *State) Cache() *Cache { return s.objects }

// Version returns the object in the event at a position.
func (s *State) Version(seq store.Seq) (*analyzer.Object, error) {
	return s.objects.Get(s.timeline, seq)
}

// Before returns the state just before a position that is not after this one.
func (s *State) Before(seq store.Seq) *State {
	return &State{timeline: s.timeline, objects: s.objects, seq: max(seq, 1) - 1, instant: s.instant}
}

// Templates is List.
func (s *State) Templates(q store.Query, _ map[string]string) []*analyzer.Object { return s.List(q) }

// Until does nothing: a State is one instant.
func (s *State) Until(time.Time) {}

// Get returns the object with this name, nil if none is known.
func (s *State) Get(ref store.Ref) *analyzer.Object {
	found := s.List(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name})
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// List returns the objects that match, ordered by namespace and name.
func (s *State) List(q store.Query) []*analyzer.Object {
	if s.seq == 0 {
		return nil
	}
	if isWhole(&q) {
		return s.whole(q.Resource)
	}
	return s.find(q)
}

func (s *State) find(q store.Query) []*analyzer.Object {
	seqs, err := s.timeline.Find(q, s.seq)
	s.Note(err)
	return s.load(seqs)
}

// History returns all versions of the object with this name up to the instant,
// oldest first.
func (s *State) History(ref store.Ref) []*analyzer.Object {
	if s.seq == 0 {
		return nil
	}
	seqs, err := s.timeline.History(ref, s.seq)
	s.Note(err)
	return s.load(seqs)
}

// Past yields the versions of History, newest first, each read only when asked
// for.
func (s *State) Past(ref store.Ref) iter.Seq[*analyzer.Object] {
	return func(yield func(*analyzer.Object) bool) {
		if s.seq == 0 {
			return
		}
		seqs, err := s.timeline.History(ref, s.seq)
		s.Note(err)
		s.versions(seqs)(yield)
	}
}

// maxDeleted is at how many versions Deleted looks.
const maxDeleted = 256

// Deleted returns the last versions of the objects that matched a query and were
// deleted since, latest first, as far as they are among the latest versions of
// all that match.
func (s *State) Deleted(q store.Query) []*analyzer.Object {
	if s.seq == 0 {
		return nil
	}
	seqs, err := s.timeline.Touched(q, 1, s.seq)
	s.Note(err)
	var found []*analyzer.Object
	seen := map[store.Ref]bool{}
	for o := range s.versions(seqs[max(0, len(seqs)-maxDeleted):]) {
		if !o.IsObject() || seen[o.Ref()] {
			continue
		}
		seen[o.Ref()] = true
		if o.Type == watch.Deleted {
			found = append(found, o)
		}
	}
	return found
}

// versions yields what is at the positions, the last first.
func (s *State) versions(seqs []store.Seq) iter.Seq[*analyzer.Object] {
	return func(yield func(*analyzer.Object) bool) {
		for _, seq := range slices.Backward(seqs) {
			o, err := s.objects.Get(s.timeline, seq)
			if err != nil {
				s.Note(err)
				continue
			}
			if !yield(o) {
				return
			}
		}
	}
}

// Coverage says whether the recorder was listening.
func (s *State) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	return s.InForce(s.Covered(resource, namespace))
}

// Covered returns the ledger entry that Coverage is about.
func (s *State) Covered(resource schema.GroupVersionResource, namespace string) store.Coverage {
	c, err := s.timeline.Coverage(resource, namespace, s.seq)
	if err != nil {
		s.Note(err)
		return store.Coverage{Resource: resource, Namespace: namespace, Status: store.Gap, Reason: err.Error()}
	}
	return c
}

// Err returns what could not be read while the state was looked at, joined;
// nil if all was readable. What was unreadable was treated as not known.
func (s *State) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Note adds an error to what Err returns; nil is ignored.
func (s *State) Note(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	text := err.Error()
	if s.noted[text] || len(s.noted) == mostErrors {
		return
	}
	if s.noted == nil {
		s.noted = map[string]bool{}
	}
	if s.noted[text] = true; len(s.noted) == mostErrors {
		err = fmt.Errorf("%w (further errors are not listed)", err)
	}
	s.err = errors.Join(s.err, err)
}

// mostErrors is how many different errors a State lists: a damaged file has one
// for each position.
const mostErrors = 32

func (s *State) load(seqs []store.Seq) []*analyzer.Object {
	s.objects.warm(s.timeline, seqs)
	list := make([]*analyzer.Object, 0, len(seqs))
	for _, seq := range seqs {
		o, err := s.objects.Get(s.timeline, seq)
		if err != nil {
			s.Note(err)
			continue
		}
		list = append(list, o)
	}
	return list
}

// Cache caches decoded objects by position. The content of a position never
// changes, so nothing is invalidated. Two generations bound the memory, by the
// number of objects and by their bytes. It is safe for concurrent use.
type Cache struct {
	mu         sync.Mutex
	young, old map[store.Seq]*analyzer.Object
	size       int // bytes of the young generation, as JSON
	limit      int // objects in a generation; 0 is generationObjects
	bytes      int // of JSON in a generation; 0 is generationBytes

	wholes   wholes
	silences silences
	clock    clock
}

// NewCache returns a cache with generations of at most so many objects.
func NewCache(limit int) *Cache { return &Cache{limit: limit} }

// A generation ends at so many objects or at so many bytes of JSON, whichever
// comes first: enough for every object of a large namespace. A decoded object
// takes about four times its JSON, so both generations together stay below 512 MiB.
const generationObjects, generationBytes = 20_000, 48 << 20

// Get returns the object in the event at a position of the timeline, which must
// be the same for all calls.
func (c *Cache) Get(t Timeline, seq store.Seq) (*analyzer.Object, error) {
	c.mu.Lock()
	o, ok := c.young[seq]
	if !ok {
		if o, ok = c.old[seq]; ok {
			c.put(seq, o)
		}
	}
	c.mu.Unlock()
	if ok {
		return o, nil
	}
	e, err := t.Event(seq)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o = analyzer.NewObjectAhead(e, c.clock.aheadIn(t))
	c.put(seq, o)
	return o, nil
}

// manyObjects is from how many on it is worth it to read objects side by side.
const manyObjects = 64

// warm reads those that are not kept, if they are many, by as many goroutines as
// there are processors. What cannot be read is left to get, which says why.
func (c *Cache) warm(t Timeline, seqs []store.Seq) {
	workers := runtime.GOMAXPROCS(0)
	if workers == 1 || len(seqs) < manyObjects {
		return
	}
	var cold []store.Seq
	c.mu.Lock()
	for _, seq := range seqs {
		if c.young[seq] == nil && c.old[seq] == nil {
			cold = append(cold, seq)
		}
	}
	c.mu.Unlock()
	if len(cold) < manyObjects {
		return
	}
	slices.Sort(cold) // neighbours lie in the same block of the file, which is unpacked once
	var reading sync.WaitGroup
	for part := range slices.Chunk(cold, (len(cold)+workers-1)/workers) {
		reading.Go(func() {
			for _, seq := range part {
				_, _ = c.Get(t, seq)
			}
		})
	}
	reading.Wait()
}

// Age begins a new generation: what is not used until the next call is
// forgotten then. Who looks at the end of a growing recording again and again
// holds by it what the last looks used, not what fits into the bounds.
func (c *Cache) Age() {
	c.wholes.age()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.old, c.young, c.size = c.young, make(map[store.Seq]*analyzer.Object), 0
}

// put must be called with the lock held.
func (c *Cache) put(seq store.Seq, o *analyzer.Object) {
	if c.young == nil || len(c.young) >= cmp.Or(c.limit, generationObjects) || c.size+len(o.Event.Object) > cmp.Or(c.bytes, generationBytes) {
		c.old, c.young, c.size = c.young, make(map[store.Seq]*analyzer.Object), 0
	}
	if c.young[seq] == nil {
		c.size += len(o.Event.Object)
	}
	c.young[seq] = o
}
