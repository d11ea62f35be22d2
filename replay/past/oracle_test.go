package past

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// witnessed checks facts against what a recording heard that began earlier: the
// oracle for the reconstructed past.
type witnessed struct {
	timeline replay.Timeline
	objects  *replay.Cache
	until    store.Seq // nothing heard later may be needed
}

// TestPastInventsNothing begins every recording of an incident late, several
// times, and compares each fact with what was heard before that.
func TestPastInventsNothing(t *testing.T) {
	files, err := filepath.Glob(replaytest.Folder(t) + "/*.db")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	checked := map[What]int{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".db")
		t.Run(name, func(t *testing.T) {
			r := replaytest.Open(t, name)
			for _, from := range replaytest.LateStarts(t, r, name) {
				m := replaytest.Late(t, r, from)
				facts, err := All(m)
				if err != nil {
					t.Fatal(err)
				}
				w := &witnessed{r, &replay.Cache{}, from}
				for i := range facts {
					f := &facts[i]
					if f.Earliest.After(f.Time) || f.Time.After(f.Latest) || f.Latest.After(f.ObservedAt) || f.ObservedAt.After(m.Info().Start) || !f.Reconstructed {
						t.Errorf("from #%d: badly dated: %s at %s, from %s to %s", from, f, f.Time, f.Earliest, f.Latest)
					}
					wrong, ok := w.check(f)
					if wrong != "" {
						t.Errorf("from #%d: %s at %s (from %s to %s): %s", from, f, replaytest.Clock(f.Time), replaytest.Clock(f.Earliest), replaytest.Clock(f.Latest), wrong)
					}
					if !ok {
						continue
					}
					if checked[f.What]++; checked[f.What]%20 == 0 {
						g := *f
						g.Earliest, g.Latest = f.Earliest.Add(time.Hour), f.Latest.Add(time.Hour) // what repeats does so within minutes
						if wrong, ok := w.check(&g); wrong == "" && ok {
							t.Errorf("from #%d: the check is broken: it takes %s an hour later", from, f)
						}
					}
				}
			}
		})
	}
	for _, what := range []What{Creation, DeletionAsked, Condition, Started, Terminated, Rollout, Writing, KubernetesEvent, Tainted, Scaled} {
		if checked[what] == 0 {
			t.Errorf("no fact of kind %s was checked", what)
		}
	}
	t.Logf("facts that agree with what was heard: %v", checked)
}

// check returns what speaks against a fact, and whether it could be checked at
// all: what happened before the full recording began cannot.
func (w *witnessed) check(f *Fact) (wrong string, checked bool) {
	if f.Earliest.Before(w.timeline.Info().Start.Add(replaytest.Delay)) || w.deaf(f) {
		return "", false
	}
	if f.What == Condition && strings.Contains(f.Path, "NetworkUnavailable") {
		return "", false // kwok moves its transition time with every heartbeat
	}
	ref, uid := f.Ref, types.UID(f.Subject.UID)
	switch f.What {
	case KubernetesEvent:
		return w.reported(f), true
	case Rollout:
		return w.rolledOut(f), true
	case Creation:
		versions := w.versions(ref, uid)
		return near(f, versions[0], func(o *analyzer.Object) string {
			m, _ := change.Metadata(o.Object)
			if who := change.WriterOf(nil, m, nil, o.Time); f.Writer != nil && who.Manager != f.Writer.Manager {
				return "it was created by " + who.Manager
			}
			return ""
		}), true
	case DeletionAsked:
		return w.since(f, func(o *analyzer.Object) bool { return cause.Deleting(o) }), true
	case Scaled:
		return w.since(f, func(o *analyzer.Object) bool {
			at, ok := timeAt(change.Decode(o), "status", "lastScaleTime")
			return ok && at.Equal(f.Time)
		}), true
	case Condition, Tainted:
		return w.since(f, func(o *analyzer.Object) bool {
			if f.What == Tainted {
				return slices.ContainsFunc(analyzer.As[corev1.Node](o).Spec.Taints, func(t corev1.Taint) bool { return t.ToString() == f.New })
			}
			return change.Text(change.ValueAt(change.Decode(o), f.AllFields[0].Steps)) == change.Text(f.New)
		}), true
	case Started, Terminated:
		return w.since(f, func(o *analyzer.Object) bool { return shows(o, f) }), true
	case Renewal:
		// The time is when the node asked. While it is cut off the request waits, and is
		// heard once the network is back.
		for _, o := range w.versions(ref, uid) {
			if at, ok := timeAt(change.Decode(o), "spec", "renewTime"); ok && at.Equal(f.Time) && !o.Time.Before(f.Earliest) {
				return "", true
			}
		}
		return "no such renewal was heard", true
	case Writing:
		return w.written(f), true
	}
	return "nothing is known of such facts", true
}

// deaf reports whether the full recording was not listening when the fact says
// that something happened.
func (w *witnessed) deaf(f *Fact) bool {
	ledger, err := w.timeline.Ledger(0, w.until)
	if err != nil {
		panic(err)
	}
	for _, c := range ledger {
		if c.Status == store.Gap && c.Time.Before(f.Latest.Add(10*time.Second)) && f.Earliest.Before(c.Time.Add(10*time.Second)) {
			return true
		}
	}
	return false
}

// versions are all that was heard of an object before the late beginning,
// oldest first.
func (w *witnessed) versions(ref store.Ref, uid types.UID) []*analyzer.Object {
	seqs, err := w.timeline.History(ref, w.until)
	if err != nil {
		panic(err)
	}
	var all []*analyzer.Object
	for _, seq := range seqs {
		o, err := w.objects.Get(w.timeline, seq)
		if err != nil {
			panic(err)
		}
		if o.UID == uid {
			all = append(all, o)
		}
	}
	return all
}

// since checks that something became true of the object when the fact says so,
// and stayed true.
func (w *witnessed) since(f *Fact, is func(*analyzer.Object) bool) string {
	var first *analyzer.Object
	for _, o := range slices.Backward(w.versions(f.Ref, types.UID(f.Subject.UID))) {
		if !is(o) {
			break
		}
		first = o
	}
	if first == nil {
		return "it is not so in the end"
	}
	return near(f, first, nil)
}

// near checks that a version was heard when the fact says it came about.
func near(f *Fact, o *analyzer.Object, also func(*analyzer.Object) string) string {
	earliest := f.Earliest
	if f.Writer != nil && strings.HasPrefix(f.Writer.Manager, "kubectl") && f.What == Condition {
		earliest = earliest.Add(-time.Second) // somebody made the time up
	}
	if o.Time.Before(earliest) || o.Time.After(f.Latest.Add(replaytest.Delay)) {
		return fmt.Sprintf("it was heard at %s in #%d", replaytest.Clock(o.Time), o.Seq)
	}
	if also != nil {
		return also(o)
	}
	return ""
}

// shows reports whether a Pod's status has, at any place, what the fact says of
// a container.
func shows(o *analyzer.Object, f *Fact) bool {
	status := &analyzer.As[corev1.Pod](o).Status
	for _, s := range slices.Concat(status.InitContainerStatuses, status.ContainerStatuses) {
		if s.Name != selected(f.Path) {
			continue
		}
		if s.State.Running != nil && f.What == Started && s.State.Running.StartedAt.Time.Equal(f.Time) {
			return true
		}
		for _, ended := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if ended != nil && (f.What == Started && ended.StartedAt.Time.Equal(f.Time) || f.What == Terminated && ended.FinishedAt.Time.Equal(f.Time) && int(ended.ExitCode) == f.New) {
				return true
			}
		}
	}
	return false
}

// rolledOut checks that the workload's template was changed so.
func (w *witnessed) rolledOut(f *Fact) string {
	versions := w.versions(f.Ref, types.UID(f.Subject.UID))
	said := "the template never changed"
	for i := 1; i < len(versions); i++ {
		before, after := versions[i-1], versions[i]
		changed := slices.DeleteFunc(change.Diff(change.Decode(before), change.Decode(after)), func(f change.Field) bool { return !strings.HasPrefix(f.Path, "/spec/template") })
		if len(changed) == 0 {
			continue
		}
		said = fmt.Sprintf("at %s in #%d it was %s %v -> %v", replaytest.Clock(after.Time), after.Seq, changed[0].Path, changed[0].Old, changed[0].New)
		if after.Time.Before(f.Earliest) || after.Time.After(f.Latest.Add(replaytest.Delay)) || !slices.EqualFunc(changed, f.AllFields, func(a, b change.Field) bool {
			return a.Path == b.Path && change.Text(a.Old) == change.Text(b.Old) && change.Text(a.New) == change.Text(b.New)
		}) {
			continue
		}
		m, _ := change.Metadata(before.Object)
		n, _ := change.Metadata(after.Object)
		if who := change.WriterOf(m, n, changed, after.Time); f.Writer != nil && who.Manager != f.Writer.Manager {
			return "it was written by " + who.Manager
		}
		return ""
	}
	return said
}

// written checks that the manager wrote then.
func (w *witnessed) written(f *Fact) string {
	versions := w.versions(f.Ref, types.UID(f.Subject.UID))
	for i := 1; i < len(versions); i++ {
		after := versions[i]
		m, _ := change.Metadata(after.Object)
		for _, e := range m.ManagedFields {
			if e.Manager != f.Writer.Manager || string(e.Operation) != f.Writer.Operation || e.Subresource != f.Writer.Subresource || e.Time == nil || !e.Time.Time.Equal(f.Writer.Time) {
				continue
			}
			return near(f, after, nil)
		}
	}
	return "nobody heard that"
}

// reported checks that the Kubernetes Event was heard then.
func (w *witnessed) reported(f *Fact) string {
	seqs, err := w.timeline.Find(store.Query{Resource: replay.KubernetesEvents}, w.until)
	if err != nil {
		panic(err)
	}
	said := "no such Event was heard"
	for _, seq := range seqs {
		e, err := w.objects.Get(w.timeline, seq)
		if err != nil {
			panic(err)
		}
		if now := analyzer.As[corev1.Event](e); now.Reason != f.Reason || now.Message != f.Message || string(now.InvolvedObject.UID) != f.Subject.UID {
			continue
		}
		for _, o := range w.versions(e.Ref(), e.UID) {
			v := analyzer.As[corev1.Event](o)
			count := int(v.Count)
			if v.Series != nil {
				count = int(v.Series.Count)
			}
			if said = near(f, o, nil); said == "" && max(count, 1) == f.Count {
				return ""
			}
		}
	}
	return said
}
