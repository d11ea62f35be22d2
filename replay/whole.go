package replay

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// wholes keeps what a resource consists of. Some questions are about all objects
// of a resource in the cluster, thousands perhaps, and stepping through a
// recording asks them again at every position, although the answer changes only
// where one of these objects was heard of.
type wholes struct {
	mu    sync.Mutex
	kinds map[schema.GroupVersionResource]*whole
}

type whole struct {
	asked   int
	touched []store.Seq // where the answer may change, in order
	upto    store.Seq   // as far as that is known
	floor   store.Seq   // what changed up to here was forgotten
	answers map[int][]*analyzer.Object
}

// A resource that is asked for so often is worth to know where it changes; and
// as many answers are kept.
const oftenAsked, keptAnswers = 3, 16

func isWhole(q *store.Query) bool {
	return q.Namespace == "" && q.Name == "" && len(q.Labels) == 0 && q.Owner == "" && q.Involved == "" && !q.Resource.Empty()
}

// whole returns all objects of a resource, ordered by namespace and name.
func (s *State) whole(resource schema.GroupVersionResource) []*analyzer.Object {
	w := &s.objects.wholes
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.kinds[resource]
	if k == nil {
		if w.kinds == nil {
			w.kinds = map[schema.GroupVersionResource]*whole{}
		}
		k = &whole{answers: map[int][]*analyzer.Object{}}
		w.kinds[resource] = k
	}
	q := store.Query{Resource: resource}
	if k.asked++; k.asked < oftenAsked || s.seq < k.floor {
		return s.find(q)
	}
	if s.seq > k.upto {
		last := s.timeline.Info().Last
		more, err := s.timeline.Touched(q, k.upto+1, last)
		if err != nil {
			s.Note(err)
			return s.find(q)
		}
		k.touched, k.upto = append(k.touched, more...), last
	}
	n, _ := slices.BinarySearch(k.touched, s.seq+1) // how many lie at or before
	objects, known := k.answers[n]
	if !known {
		if objects, known = s.onwards(k, n); !known {
			before := s.Err()
			if objects = s.find(q); s.Err() != before {
				return objects // not all could be read: whoever asks again is to hear of it too
			}
		}
		if len(k.answers) >= keptAnswers {
			clear(k.answers)
		}
		k.answers[n] = objects
	}
	return slices.Clone(objects)
}

// age forgets all but the latest answer of each kind, and what changed before it.
func (w *wholes) age() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.kinds {
		latest := -1
		for n := range k.answers {
			latest = max(latest, n)
		}
		if latest < 0 {
			k.floor, k.touched = k.upto, nil
			continue
		}
		if latest > 0 {
			k.floor = k.touched[latest-1]
		}
		k.touched = slices.Clone(k.touched[latest:])
		k.answers = map[int][]*analyzer.Object{0: k.answers[latest]}
	}
}

// ledOn is over how many changes an answer is led on to a later one.
const ledOn = 64

// onwards makes the answer after so many changes from one that is kept of a
// little before, if there is one, and if each change is that of one object.
func (s *State) onwards(k *whole, n int) ([]*analyzer.Object, bool) {
	from := -1
	for kept := range k.answers {
		if kept < n && n-kept <= ledOn {
			from = max(from, kept)
		}
	}
	if from < 0 {
		return nil, false
	}
	objects := slices.Clone(k.answers[from])
	for _, seq := range k.touched[from:n] {
		o, err := s.objects.Get(s.timeline, seq)
		if err != nil || !o.IsObject() {
			return nil, false // a list that says what is gone is no object
		}
		i, there := slices.BinarySearchFunc(objects, o, func(a, b *analyzer.Object) int {
			return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
		})
		switch {
		case o.Type == watch.Deleted && there:
			objects = slices.Delete(objects, i, i+1)
		case o.Type == watch.Deleted:
		case there:
			objects[i] = o
		default:
			objects = slices.Insert(objects, i, o)
		}
	}
	return objects, true
}
