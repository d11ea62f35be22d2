package recorder

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/kinds"
	"github.com/svcspy/svcspy/store/rawjson"
)

// labelFilter decides which objects of a stream are recorded. The API server
// could do that, but it calls it DELETED when an object loses its labels: the
// recording would hold deletions that never happened, and hide what happened
// instead. So everything is listened to, and an object that matched once is
// recorded for as long as it lives.
type labelFilter struct {
	selector labels.Selector
	matched  map[types.UID]struct{}
}

func newLabelFilter(s labels.Selector) *labelFilter {
	return &labelFilter{selector: s, matched: map[types.UID]struct{}{}}
}

// selects reports whether the selector is about a resource: what runs, what makes
// it run, and what it is configured with. Whatever else names them (Services,
// EndpointSlices, policies, Kubernetes Events and the like) seldom carries their
// labels and is small; it is recorded as a whole.
func (o *Options) selects(r resource) bool {
	k, _ := kinds.ByResource(r.gvr.GroupResource())
	return o.Selector != nil && !o.Selector.Empty() && k.Labelled
}

// keeps reports whether an event about an object is recorded.
func (s *labelFilter) keeps(kind watch.EventType, uid types.UID, object []byte) (bool, error) {
	_, known := s.matched[uid]
	if known && kind == watch.Deleted {
		delete(s.matched, uid)
	}
	if known {
		return true, nil
	}
	has, err := scanLabels(object)
	if err != nil || !s.selector.Matches(has) {
		return false, err
	}
	if kind != watch.Deleted {
		s.matched[uid] = struct{}{}
	}
	return true, nil
}

// reason is why a stream is not complete.
func (s *labelFilter) reason() string { return "only " + s.selector.String() }

// scanLabels reads the labels of an object.
func scanLabels(object []byte) (labels.Set, error) {
	found := labels.Set{}
	c := rawjson.Cursor{Text: object}
	for c.Enter('{'); c.More('}'); {
		if string(c.Key()) != "metadata" || c.Peek() != '{' {
			c.Skip()
			continue
		}
		for c.Enter('{'); c.More('}'); {
			if string(c.Key()) != "labels" || c.Peek() != '{' {
				c.Skip()
				continue
			}
			for c.Enter('{'); c.More('}'); {
				key := string(c.Key())
				if c.Peek() != '"' {
					c.Skip() // null
					continue
				}
				found[key] = c.String()
			}
			return found, c.Err()
		}
		return found, c.Err()
	}
	return found, c.Err()
}
