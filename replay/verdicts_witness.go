package replay

import (
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// witness is a State that remembers what was looked at: the report made from it
// can only change when one of these does, or when the instant it was told of
// has passed.
type witness struct {
	*State
	interests map[interest]struct{}
	until     time.Time // the first instant after which time alone may change the report; zero if none
	gap       string
}

// interest is one question asked of a State, comparable.
type interest struct {
	resource        schema.GroupVersionResource
	namespace, name string
	labels          string // key=value, sorted
	owner, involved types.UID
	coverage        bool // asked whether the recorder was listening
}

func newWitness(s *State) *witness {
	return &witness{State: s, interests: map[interest]struct{}{}}
}

var _ analyzer.View = (*witness)(nil)

func (w *witness) Get(ref store.Ref) *analyzer.Object {
	w.ref(ref)
	return w.State.Get(ref)
}

func (w *witness) List(q store.Query) []*analyzer.Object {
	i := interest{resource: q.Resource, namespace: q.Namespace, name: q.Name, owner: q.Owner, involved: q.Involved}
	if len(q.Labels) > 0 {
		var b strings.Builder
		for _, k := range slices.Sorted(maps.Keys(q.Labels)) {
			b.WriteString(k + "=" + q.Labels[k] + ",")
		}
		i.labels = b.String()
	}
	w.interests[i] = struct{}{}
	return w.State.List(q)
}

func (w *witness) History(ref store.Ref) []*analyzer.Object {
	w.ref(ref)
	return w.State.History(ref)
}

func (w *witness) Past(ref store.Ref) iter.Seq[*analyzer.Object] {
	w.ref(ref)
	return w.State.Past(ref)
}

func (w *witness) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	w.interests[interest{resource: resource, namespace: namespace, coverage: true}] = struct{}{}
	c := w.State.Coverage(resource, namespace)
	if c.Status == store.Gap || c.Status == store.Listing {
		gap := string(c.Status) + " " + resource.Resource
		if w.gap == "" || gap < w.gap {
			w.gap = gap
		}
	}
	return c
}

// Until notes that the report may change after an instant although nothing is
// heard. The analyzer calls it for every grace that has not ended.
func (w *witness) Until(t time.Time) {
	if !t.Before(w.Instant()) && (w.until.IsZero() || t.Before(w.until)) {
		w.until = t
	}
}

func (w *witness) ref(r store.Ref) {
	w.interests[interest{resource: r.Resource, namespace: r.Namespace, name: r.Name}] = struct{}{}
}

func (i *interest) query() store.Query {
	q := store.Query{Resource: i.resource, Namespace: i.namespace, Name: i.name, Owner: i.owner, Involved: i.involved}
	if i.labels != "" {
		q.Labels = map[string]string{}
		for pair := range strings.SplitSeq(strings.TrimSuffix(i.labels, ","), ",") {
			k, v, _ := strings.Cut(pair, "=")
			q.Labels[k] = v
		}
	}
	return q
}

// heard answers when something was heard that an interest is about. What many
// subjects look at is kept; it may be used by several goroutines.
type heard struct {
	timeline Timeline
	index    index
	last     store.Seq // the last position at which the recorder was listening
	ledger   []store.Coverage

	mu     sync.Mutex
	shared map[interest][]store.Seq
}

func newHeard(t Timeline) (*heard, error) {
	end, err := NewCursor(t).End()
	if err != nil {
		return nil, err
	}
	h := &heard{timeline: t, last: end.seq, shared: map[interest][]store.Seq{}}
	if h.index, err = indexOf(t); err != nil {
		return nil, err
	}
	h.ledger, err = t.Ledger(0, h.last)
	return h, err
}

// seek moves to an instant, but not behind the last position at which the
// recorder was listening: that it was stopped says nothing about the cluster.
func (h *heard) seek(c *Cursor, at time.Time) (*State, error) {
	s, err := c.SeekTime(at)
	if err == nil {
		s.seq = min(s.seq, h.last)
	}
	return s, err
}

// next returns the first instant after a position at which the report made
// from the witness may be another; zero if there is none in the recording.
// lists keeps what was found for the subject's own interests.
func (h *heard) next(w *witness, lists map[interest][]store.Seq, after store.Seq) (time.Time, error) {
	first := store.Seq(0)
	for i := range w.interests {
		list, ok := lists[i]
		if !ok {
			var err error
			if list, err = h.positions(i); err != nil {
				return time.Time{}, err
			}
			lists[i] = list
		}
		n := sort.Search(len(list), func(n int) bool { return list[n] > after })
		if n < len(list) && (first == 0 || list[n] < first) {
			first = list[n]
		}
	}
	var next time.Time
	if first > 0 {
		var err error
		if next, err = h.timeline.TimeOf(first); err != nil {
			return next, err
		}
	}
	if !w.until.IsZero() {
		if end := w.until.Add(resolution); next.IsZero() || end.Before(next) {
			next = end
		}
	}
	return next, nil
}

// positions returns, in order, where something was heard that the interest is
// about.
func (h *heard) positions(i interest) ([]store.Seq, error) {
	if i.coverage {
		var seqs []store.Seq
		for _, c := range h.ledger {
			if c.Resource == i.resource && (c.Namespace == "" || c.Namespace == i.namespace) {
				seqs = append(seqs, c.Seq)
			}
		}
		return seqs, nil
	}
	beats := slices.Contains(heartbeats, i.resource.Resource)
	if i.namespace != "" && !beats {
		return h.index.Touched(i.query(), 1, h.last)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if list, ok := h.shared[i]; ok {
		return list, nil
	}
	list, err := h.index.Touched(i.query(), 1, h.last)
	if err == nil && beats {
		list, err = h.withoutHeartbeats(list)
	}
	if err != nil {
		return nil, err
	}
	h.shared[i] = list
	return list, nil
}

// heartbeats are the resources that are written again and again to say that
// nothing changed.
var heartbeats = []string{"nodes", "leases"}

// heartbeat is how soon a version must follow the one before it to be only a
// sign of life: a later one may end a silence that the verdict rests on.
const heartbeat = 30 * time.Second

// withoutHeartbeats leaves out the positions of versions that say the same as
// the one before: Nodes and Leases are renewed all the time, and every subject
// looks at some. It reads forwards, each version once.
func (h *heard) withoutHeartbeats(seqs []store.Seq) ([]store.Seq, error) {
	type version struct {
		event store.Event
		value any
	}
	last := map[store.Ref]version{}
	var kept []store.Seq
	for _, seq := range seqs {
		e, err := h.timeline.Event(seq)
		if err != nil {
			return nil, err
		}
		o := analyzer.NewObject(e)
		now, before := version{e, decode(o)}, last[e.Ref()]
		last[e.Ref()] = now
		late := e.Resource.Resource == "leases" && e.Time.Sub(before.event.Time) > heartbeat
		if e.Type == watch.Modified && before.event.UID == e.UID && before.event.Type != watch.Deleted && !late &&
			len(telling(o, fields(before.value, now.value))) == 0 {
			continue
		}
		kept = append(kept, seq)
	}
	return kept, nil
}
