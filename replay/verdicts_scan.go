package replay

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// index is a Timeline that can tell from its index where something was heard of
// the objects that a query is about: positions with from <= Seq <= to, in
// order, and all at which Find for the query may change.
type index interface {
	Touched(q store.Query, from, to store.Seq) ([]store.Seq, error)
}

// scanned answers for timelines without such an index, by reading them once.
type scanned struct {
	kinds map[schema.GroupVersionResource][]position
}

type position struct {
	seq             store.Seq
	namespace, name string
	object          bool
}

// indexOf returns the timeline's own index, or one made by reading it.
func indexOf(t Timeline) (index, error) {
	if x, ok := t.(index); ok {
		return x, nil
	}
	s := &scanned{kinds: map[schema.GroupVersionResource][]position{}}
	info := t.Info()
	for e, err := range t.Events(info.First, info.Last) {
		if err != nil {
			return nil, err
		}
		s.kinds[e.Resource] = append(s.kinds[e.Resource], position{e.Seq, e.Namespace, e.Name, e.IsObject()})
	}
	return s, nil
}

// Touched returns all positions that have to do with the query's resource,
// namespace and name; labels and owners are not looked at.
func (s *scanned) Touched(q store.Query, from, to store.Seq) ([]store.Seq, error) {
	var seqs []store.Seq
	for _, p := range s.kinds[q.Resource] {
		switch {
		case p.seq < from || p.seq > to,
			p.namespace != "" && q.Namespace != "" && p.namespace != q.Namespace,
			p.object && q.Name != "" && p.name != q.Name:
			continue
		}
		seqs = append(seqs, p.seq)
	}
	return seqs, nil
}
