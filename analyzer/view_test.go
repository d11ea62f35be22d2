package analyzer

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/store"
)

// start is when every test recording begins.
var start = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

// world is a recording under construction, and the cluster it tells of. Times
// are offsets from start.
type world struct {
	t      testing.TB
	memory *store.Memory
	rv     int
	live   map[store.Ref]string // UID
}

// newWorld begins a recording in which all kinds but those named are covered.
func newWorld(t testing.TB, without ...string) *world {
	w := &world{t: t, memory: store.NewMemory(store.Header{ID: "test", Start: start}), live: map[store.Ref]string{}}
	for _, k := range readKinds {
		status := store.Current
		if slices.Contains(without, k.name) {
			status = store.NotRecorded
		}
		w.cover(0, k, status)
	}
	return w
}

func (w *world) cover(at time.Duration, k kind, status store.Status) {
	w.t.Helper()
	if _, err := w.memory.Cover(store.Coverage{Time: start.Add(at), Resource: k.resource, Status: status}); err != nil {
		w.t.Fatal(err)
	}
}

// apply records the objects of a YAML text as they are from a moment on: new
// names are ADDED, others MODIFIED. $(42s) stands for the time of that offset.
// What objects usually have and nobody wants to write is filled in: uid,
// resourceVersion, creationTimestamp.
func (w *world) apply(at time.Duration, text string) {
	w.t.Helper()
	w.each(at, text, func(ref store.Ref, uid string, object map[string]any) watch.EventType {
		_, known := w.live[ref]
		w.live[ref] = uid
		if known {
			return watch.Modified
		}
		return watch.Added
	})
}

// remove records that the objects of a YAML text were deleted.
func (w *world) remove(at time.Duration, text string) {
	w.t.Helper()
	w.each(at, text, func(ref store.Ref, _ string, _ map[string]any) watch.EventType {
		delete(w.live, ref)
		return watch.Deleted
	})
}

func (w *world) each(at time.Duration, text string, record func(store.Ref, string, map[string]any) watch.EventType) {
	w.t.Helper()
	for doc := range strings.SplitSeq(expand(text), "\n---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		object := map[string]any{}
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			w.t.Fatalf("%v in\n%s", err, doc)
		}
		k, ok := kindsByName[fmt.Sprint(object["kind"])]
		if !ok {
			w.t.Fatalf("no kind in\n%s", doc)
		}
		gv := k.resource.GroupVersion()
		object["apiVersion"] = gv.String()
		meta := object["metadata"].(map[string]any)
		namespace, _ := meta["namespace"].(string)
		if namespace == "" && !k.cluster {
			namespace = "shop"
			meta["namespace"] = namespace
		}
		name := fmt.Sprint(meta["name"])
		ref := store.Ref{Resource: k.resource, Namespace: namespace, Name: name}
		w.rv++
		meta["resourceVersion"] = fmt.Sprint(w.rv)
		if meta["uid"] == nil {
			if meta["uid"] = w.live[ref]; meta["uid"] == "" {
				meta["uid"] = strings.ToLower(k.name) + "-" + name
			}
		}
		if meta["creationTimestamp"] == nil {
			meta["creationTimestamp"] = start.Add(at).Format(time.RFC3339)
		}
		uid := fmt.Sprint(meta["uid"])
		event := record(ref, uid, object)
		data, err := json.Marshal(object)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.memory.Append(store.Event{
			Time: start.Add(at), Type: event, Resource: k.resource, Namespace: namespace, Name: name,
			UID: types.UID(uid), ResourceVersion: fmt.Sprint(w.rv), Object: data,
		}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// expand replaces $(42s) by the time of that offset.
func expand(text string) string {
	for {
		i := strings.Index(text, "$(")
		if i < 0 {
			return text
		}
		j := strings.Index(text[i:], ")")
		d, err := time.ParseDuration(text[i+2 : i+j])
		if err != nil {
			panic(err)
		}
		text = text[:i] + start.Add(d).Format(time.RFC3339) + text[i+j+1:]
	}
}

// at is the view at an offset.
func (w *world) at(offset time.Duration) *view {
	w.t.Helper()
	seq, err := w.memory.SeqAt(start.Add(offset))
	if err != nil {
		w.t.Fatal(err)
	}
	return newView(w.memory, seq, start.Add(offset))
}

// timeline is what a view reads: a recording in memory or in a file.
type timeline interface {
	Info() store.Info
	SeqAt(time.Time) (store.Seq, error)
	TimeOf(store.Seq) (time.Time, error)
	Event(store.Seq) (store.Event, error)
	Find(store.Query, store.Seq) ([]store.Seq, error)
	History(store.Ref, store.Seq) ([]store.Seq, error)
	Coverage(schema.GroupVersionResource, string, store.Seq) (store.Coverage, error)
}

func newView(t timeline, seq store.Seq, instant time.Time) *view {
	return &view{timeline: t, seq: seq, instant: instant, objects: map[store.Seq]*Object{}}
}

// view is a View over a timeline. The hidden kind is as if it had not been
// recorded; the interrupted one as if its watch had just broken.
type view struct {
	timeline    timeline
	seq         store.Seq
	instant     time.Time
	objects     map[store.Seq]*Object
	hidden      schema.GroupVersionResource
	interrupted schema.GroupVersionResource
}

func (v *view) Start() time.Time   { return v.timeline.Info().Start }
func (v *view) Instant() time.Time { return v.instant }
func (v *view) Seq() store.Seq     { return v.seq }

func (v *view) Get(ref store.Ref) *Object {
	for _, o := range v.List(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}) {
		return o
	}
	return nil
}

func (v *view) List(q store.Query) []*Object {
	if q.Resource == v.hidden {
		return nil
	}
	seqs, err := v.timeline.Find(q, v.seq)
	return v.load(seqs, err)
}

func (v *view) Past(ref store.Ref) iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		if ref.Resource == v.hidden {
			return
		}
		seqs, err := v.timeline.History(ref, v.seq)
		for _, seq := range slices.Backward(seqs) {
			if !yield(v.load([]store.Seq{seq}, err)[0]) {
				return
			}
		}
	}
}

func (v *view) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	if resource == v.hidden {
		return store.Coverage{Resource: resource, Namespace: namespace, Status: store.NotRecorded}
	}
	if resource == v.interrupted {
		return store.Coverage{Seq: v.seq, Time: v.instant, Resource: resource, Namespace: namespace, Status: store.Gap, Reason: "watch closed"}
	}
	c, err := v.timeline.Coverage(resource, namespace, v.seq)
	if err != nil {
		panic(err)
	}
	return c
}

func (v *view) load(seqs []store.Seq, err error) []*Object {
	if err != nil {
		panic(err)
	}
	list := make([]*Object, 0, len(seqs))
	for _, seq := range seqs {
		if v.objects[seq] == nil {
			e, err := v.timeline.Event(seq)
			if err != nil {
				panic(err)
			}
			v.objects[seq] = NewObject(e)
		}
		list = append(list, v.objects[seq])
	}
	return list
}

func (v *view) Templates(q store.Query, _ map[string]string) []*Object { return v.List(q) }

func (v *view) Until(time.Time) {}
