package story

import (
	"iter"
	"sort"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// reader is a State that tells a closure of every version that is read, and
// knows when the report made from it may be another.
type reader struct {
	*replay.State
	closure   *Closure
	noted     map[*analyzer.Object]struct{}
	interests map[verdict.Question]struct{}
	until     time.Time // the first instant after which time alone may change the report; zero if none
}

var _ analyzer.View = (*reader)(nil)

// read makes the reports on a subject between two instants, each time something
// was heard that the last one looked at or a grace in it ended, and notes what
// they read.
func (c *Closure) read(h *verdict.Index, cursor *replay.Cursor, subject store.Ref, from, to time.Time, over func() error) error {
	lists, noted := map[verdict.Question][]store.Seq{}, map[*analyzer.Object]struct{}{}
	for at := from; !at.IsZero() && !at.After(to); {
		if err := over(); err != nil {
			return err
		}
		s, err := h.Seek(cursor, at)
		if err != nil {
			return err
		}
		v := &reader{State: s, closure: c, noted: noted, interests: map[verdict.Question]struct{}{}}
		analyzer.Diagnose(v, subject, analyzer.Options{})
		if err := s.Err(); err != nil {
			return err
		}
		if at, err = v.next(h, lists); err != nil {
			return err
		}
	}
	return nil
}

// next returns the first instant at which the report may be another; zero if
// there is none in the recording. lists keeps where something was heard.
func (v *reader) next(h *verdict.Index, lists map[verdict.Question][]store.Seq) (time.Time, error) {
	first := store.Seq(0)
	for i := range v.interests {
		list, ok := lists[i]
		if !ok {
			var err error
			if list, err = h.Positions(i); err != nil {
				return time.Time{}, err
			}
			lists[i] = list
		}
		n := sort.Search(len(list), func(n int) bool { return list[n] > v.Seq() })
		if n < len(list) && (first == 0 || list[n] < first) {
			first = list[n]
		}
	}
	return h.Next(v.Instant(), first, v.until)
}

func (v *reader) note(o *analyzer.Object) {
	if _, known := v.noted[o]; !known {
		v.noted[o] = struct{}{}
		v.closure.note(o.Ref(), o.Seq)
	}
}

func (v *reader) Get(ref store.Ref) *analyzer.Object {
	v.ask(ref)
	o := v.State.Get(ref)
	if o != nil {
		v.note(o)
	}
	return o
}

func (v *reader) List(q store.Query) []*analyzer.Object {
	v.interests[verdict.QuestionOf(q)] = struct{}{}
	list := v.State.List(q)
	for _, o := range list {
		v.note(o)
	}
	return list
}

func (v *reader) Past(ref store.Ref) iter.Seq[*analyzer.Object] {
	v.ask(ref)
	return func(yield func(*analyzer.Object) bool) {
		for o := range v.State.Past(ref) {
			if v.note(o); !yield(o) {
				return
			}
		}
	}
}

// Deleted is told by what List is: the interest is the same. What was deleted is found
// by what it was when it was there: the version before goes with it.
func (v *reader) Deleted(q store.Query) []*analyzer.Object {
	v.interests[verdict.QuestionOf(q)] = struct{}{}
	found := v.State.Deleted(q)
	for _, o := range found {
		v.note(o)
		for before := range v.State.Past(o.Ref()) {
			if before.Seq < o.Seq {
				v.note(before)
				break
			}
		}
	}
	return found
}

func (v *reader) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	v.interests[verdict.Question{Resource: resource, Namespace: namespace, Coverage: true}] = struct{}{}
	return v.UntilSilence(v.Covered(resource, namespace), v.Until)
}

// Until notes that the report may change after an instant although nothing is
// heard.
func (v *reader) Until(t time.Time) {
	if !t.Before(v.Instant()) && (v.until.IsZero() || t.Before(v.until)) {
		v.until = t
	}
}

func (v *reader) ask(r store.Ref) {
	v.interests[verdict.Question{Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}] = struct{}{}
}

// Templates is List.
func (v *reader) Templates(q store.Query, _ map[string]string) []*analyzer.Object { return v.List(q) }
