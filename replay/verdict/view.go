package verdict

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// view is what one subject's verdicts are made from, at one instant after the
// other: a State that remembers what was looked at and keeps the answers. A
// verdict can only change when one of those does, or when the instant it was
// told of has passed.
type view struct {
	*replay.State
	heard *Index
	kept  map[Question]*answer
	asked []*answer // in this round
	round int       // number of the evaluation
	until time.Time // the first instant after which time alone may change the verdict; zero if none
	gap   string
	aside bool // what is asked now does not decide the verdict
}

// Question is one question asked of a State, comparable.
type Question struct {
	Resource        schema.GroupVersionResource
	Namespace, Name string
	labels          string // key=value, sorted
	owner, involved types.UID
	Coverage        bool // asked whether the recorder was listening
	templates       bool // only the templates of the objects are looked at, which labels select
}

// answer is the answer to a question, and where it may become another.
type answer struct {
	positions []store.Seq
	next      int // place of the first position after the scene's
	round     int // in which it was last asked
	known     bool
	objects   []*analyzer.Object
	coverage  store.Coverage
	history   []store.Seq        // of a single object, once its past was asked for
	latest    []*analyzer.Object // of its past, newest first, as far as it was looked at: a few
}

// remembered is how many versions of an object's past are kept: how much of it
// an evaluation looks at, mostly.
const remembered = 3

func newView(h *Index) *view { return &view{heard: h, kept: map[Question]*answer{}} }

var _ analyzer.View = (*view)(nil)

// enter begins the evaluation at another instant, which must not be earlier.
func (v *view) enter(s *replay.State) {
	v.State = s
	v.round++
	v.asked, v.until, v.gap, v.aside = v.asked[:0], time.Time{}, "", false
	if v.round%forgotten == 0 {
		maps.DeleteFunc(v.kept, func(_ Question, k *answer) bool { return v.round-k.round > forgotten })
	}
}

// forgotten is how many evaluations an answer is kept that nobody asks for: what
// is looked at while a Service comes up may be all Pods of its namespace.
const forgotten = 32

// ask returns the answer kept for a question, brought up to the scene's position
// if it is known; else it must be found.
func (v *view) ask(i Question) *answer {
	k := v.kept[i]
	if k == nil {
		if v.aside {
			return &answer{}
		}
		k = &answer{}
		var err error
		if k.positions, err = v.heard.Positions(i); err != nil {
			v.Note(err)
		}
		v.kept[i] = k
	}
	if k.round == v.round {
		return k
	}
	k.round = v.round
	if !v.aside {
		v.asked = append(v.asked, k)
	}
	for ; k.next < len(k.positions) && k.positions[k.next] <= v.Seq(); k.next++ {
		k.known = k.known && !i.Coverage && v.apply(k, &i, k.positions[k.next])
	}
	return k
}

// apply takes a version of an object into the answer; false if what is at the
// position tells too little for that.
func (v *view) apply(k *answer, i *Question, at store.Seq) bool {
	o, err := v.Version(at)
	if err != nil || !o.IsObject() {
		return false
	}
	n, found := slices.BinarySearchFunc(k.objects, o, byName)
	if found {
		o.Like(k.objects[n])
	}
	is, ok := i.matches(o)
	if !ok {
		return false
	}
	switch {
	case is && found:
		k.objects[n] = o
	case is:
		k.objects = slices.Insert(k.objects, n, o)
	case found:
		k.objects = slices.Delete(k.objects, n, n+1)
	}
	return true
}

func byName(a, b *analyzer.Object) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// matches reports whether a version of an object is part of the answer to the
// question; ok is false if that cannot be told from its type.
func (i *Question) matches(o *analyzer.Object) (is, ok bool) {
	switch {
	case i.involved != "":
		return false, false
	case o.Type == watch.Deleted, i.Namespace != "" && i.Namespace != o.Namespace, i.Name != "" && i.Name != o.Name:
		return false, true
	case i.labels == "" && i.owner == "":
		return true, true
	case i.templates:
		t := o.Template()
		return t.Matches(i.selector()), true
	}
	var m *metav1.ObjectMeta
	switch o.Resource {
	case replay.Pods:
		m = &analyzer.As[corev1.Pod](o).ObjectMeta
	case replay.EndpointSlices:
		m = &analyzer.As[discoveryv1.EndpointSlice](o).ObjectMeta
	case replay.Workloads["ReplicaSet"]:
		m = &analyzer.As[appsv1.ReplicaSet](o).ObjectMeta
	}
	if m == nil || o.Err() != nil {
		return false, false
	}
	for pair := range strings.SplitSeq(i.labels, ",") {
		k, want, _ := strings.Cut(pair, "=")
		if value, has := m.Labels[k]; i.labels != "" && (!has || value != want) {
			return false, true
		}
	}
	return i.owner == "" || slices.ContainsFunc(m.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == i.owner }), true
}

func (v *view) Get(ref store.Ref) *analyzer.Object {
	k := v.ask(Question{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name})
	if !k.known {
		k.known = ref.Resource.Resource != "leases" // their renewals are skipped, and tell the time
		k.objects = k.objects[:0]
		if o := v.State.Get(ref); o != nil {
			k.objects = append(k.objects, o)
		}
	}
	if len(k.objects) == 0 {
		return nil
	}
	return k.objects[0]
}

func (v *view) List(q store.Query) []*analyzer.Object {
	k := v.ask(QuestionOf(q))
	if !k.known {
		k.known, k.objects = true, slices.Clone(v.State.List(q))
	}
	return k.objects
}

// Templates lists objects of which the analyzer looks at the template only, where
// the selector may match it.
func (v *view) Templates(q store.Query, selector map[string]string) []*analyzer.Object {
	q.Labels = selector
	i := QuestionOf(q)
	i.templates, q.Labels = true, nil
	k := v.ask(i)
	if !k.known {
		k.known = true
		k.objects = slices.DeleteFunc(slices.Clone(v.State.List(q)), func(o *analyzer.Object) bool {
			t := o.Template()
			return !t.Matches(selector)
		})
	}
	return k.objects
}

func (v *view) Past(ref store.Ref) iter.Seq[*analyzer.Object] {
	k := v.ask(Question{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name})
	switch {
	case v.aside && len(k.history) == 0:
		return v.State.Past(ref)
	case k.history == nil:
		var err error
		if k.history, err = v.Timeline().History(ref, v.heard.Last); err != nil {
			v.Note(err)
		}
	}
	n, _ := slices.BinarySearch(k.history, v.Seq()+1)
	return v.recall(k, k.history[:n])
}

// recall yields the versions at the positions, the last first, and remembers
// the first few it yields.
func (v *view) recall(k *answer, seqs []store.Seq) iter.Seq[*analyzer.Object] {
	return func(yield func(*analyzer.Object) bool) {
		known := k.latest
		k.latest = make([]*analyzer.Object, 0, remembered)
		defer func() { k.latest = append(k.latest, known[:min(len(known), remembered-len(k.latest))]...) }()
		for _, seq := range slices.Backward(seqs) {
			for len(known) > 0 && known[0].Seq > seq {
				known = known[1:]
			}
			var o *analyzer.Object
			if len(known) > 0 && known[0].Seq == seq {
				o, known = known[0], known[1:]
			} else {
				var err error
				if o, err = v.Version(seq); err != nil {
					v.Note(err)
					continue
				}
			}
			if len(k.latest) < remembered {
				k.latest = append(k.latest, o)
			}
			if !yield(o) {
				return
			}
		}
	}
}

func (v *view) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	k := v.ask(Question{Resource: resource, Namespace: namespace, Coverage: true})
	if !k.known {
		k.known, k.coverage = true, v.Covered(resource, namespace)
	}
	c := v.UntilSilence(k.coverage, v.Until)
	if !v.aside {
		v.gap = gapOf(v.gap, &c)
	}
	return c
}

// gapOf takes note of a coverage that is none: of several the first by name
// stands for all.
func gapOf(known string, c *store.Coverage) string {
	if c.Status != store.Gap && c.Status != store.Listing || replay.Supplementary(c.Resource, c.Namespace) {
		return known
	}
	if gap := string(c.Status) + " " + c.Resource.Resource; known == "" || gap < known {
		return gap
	}
	return known
}

// GapView is a State that notes what was not covered of what a report rests on.
type GapView struct {
	*replay.State
	Gap string
}

func (l *GapView) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	c := l.State.Coverage(resource, namespace)
	l.Gap = gapOf(l.Gap, &c)
	return c
}

// Until notes that the verdict may change after an instant although nothing is
// heard. The analyzer calls it for every grace that has not ended.
func (v *view) Until(t time.Time) {
	if !v.aside && !t.Before(v.Instant()) && (v.until.IsZero() || t.Before(v.until)) {
		v.until = t
	}
}

// next returns the first instant after this one at which the verdict may be
// another; zero if there is none in the recording.
func (v *view) next() (time.Time, error) {
	first := store.Seq(0)
	for _, k := range v.asked {
		if k.next < len(k.positions) && (first == 0 || k.positions[k.next] < first) {
			first = k.positions[k.next]
		}
	}
	return v.heard.Next(v.Instant(), first, v.until)
}

func QuestionOf(q store.Query) Question {
	i := Question{Resource: q.Resource, Namespace: q.Namespace, Name: q.Name, owner: q.Owner, involved: q.Involved}
	switch len(q.Labels) {
	case 0:
	case 1:
		for k, v := range q.Labels {
			i.labels = k + "=" + v
		}
	default:
		var b strings.Builder
		for _, k := range slices.Sorted(maps.Keys(q.Labels)) {
			b.WriteString(k + "=" + q.Labels[k] + ",")
		}
		i.labels = strings.TrimSuffix(b.String(), ",")
	}
	return i
}

func (i *Question) query() store.Query {
	q := store.Query{Resource: i.Resource, Namespace: i.Namespace, Name: i.Name, Owner: i.owner, Involved: i.involved}
	if !i.templates {
		q.Labels = i.selector()
	}
	return q
}

// selector returns the labels as a map, nil if there are none.
func (i *Question) selector() map[string]string {
	if i.labels == "" {
		return nil
	}
	selector := map[string]string{}
	for pair := range strings.SplitSeq(i.labels, ",") {
		k, v, _ := strings.Cut(pair, "=")
		selector[k] = v
	}
	return selector
}
