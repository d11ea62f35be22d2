package replay

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

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
	answers map[int][]*analyzer.Object
}

// A resource that is asked for so often is worth to know where it changes; and
// as many answers are kept.
const oftenAsked, keptAnswers = 3, 16

func isWhole(q *store.Query) bool {
	return q.Namespace == "" && q.Name == "" && len(q.Labels) == 0 && q.Owner == "" && q.Involved == "" && !q.Resource.Empty()
}

// whole returns all objects of a resource, ordered by namespace and name.
func (s *State) whole(x index, resource schema.GroupVersionResource) []*analyzer.Object {
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
	if k.asked++; k.asked < oftenAsked {
		return s.find(q)
	}
	if s.seq > k.upto {
		last := s.timeline.Info().Last
		more, err := x.Touched(q, k.upto+1, last)
		if err != nil {
			s.note(err)
			return s.find(q)
		}
		k.touched, k.upto = append(k.touched, more...), last
	}
	n, _ := slices.BinarySearch(k.touched, s.seq+1) // how many lie at or before
	objects, known := k.answers[n]
	if !known {
		before := s.Err()
		if objects = s.find(q); s.Err() != before {
			return objects // not all could be read: whoever asks again is to hear of it too
		}
		if len(k.answers) >= keptAnswers {
			clear(k.answers)
		}
		k.answers[n] = objects
	}
	return slices.Clone(objects)
}
