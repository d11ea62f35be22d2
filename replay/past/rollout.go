package past

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// revised names a workload that keeps its former templates.
type revised struct {
	kind, namespace string
	uid             types.UID
}

// revision is one template of a workload: a ReplicaSet of a Deployment, or a
// ControllerRevision.
type revision struct {
	object   *teller
	owner    metav1.OwnerReference
	number   int64
	template any
}

// again reports whether the revision is an older one that was rolled back to:
// it was made before the one that precedes it now.
func (r *revision) again(before *revision) bool {
	return r.object.meta.Annotations["deployment.kubernetes.io/revision-history"] != "" || r.object.meta.CreationTimestamp.Before(&before.object.meta.CreationTimestamp)
}

// revision keeps a ReplicaSet or ControllerRevision for rollouts.
func (p *collector) revision(o *teller) {
	owner := metav1.GetControllerOf(o.meta)
	if owner == nil {
		return
	}
	r := revision{object: o, owner: *owner}
	root := o.root
	var err error
	switch o.Resource.Resource {
	case "replicasets":
		r.template = change.ValueAt(root, below("spec", "template"))
		r.number, err = strconv.ParseInt(o.meta.Annotations["deployment.kubernetes.io/revision"], 10, 64)
	case "controllerrevisions":
		r.template = change.ValueAt(root, below("data", "spec", "template"))
		n, ok := change.ValueAt(root, below("revision")).(float64)
		if r.number = int64(n); !ok {
			return
		}
	}
	if err != nil || r.template == nil {
		return
	}
	key := revised{owner.Kind, o.Namespace, owner.UID}
	p.revisions[key] = append(p.revisions[key], r)
}

// rollouts compares the templates of each workload, in the order of their
// revisions.
func (p *collector) rollouts() {
	for key, list := range p.revisions {
		slices.SortFunc(list, func(a, b revision) int {
			return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.object.Name, b.object.Name))
		})
		for i := 1; i < len(list); i++ {
			p.rollout(p.revisable[key], &list[i-1], &list[i], i == len(list)-1)
		}
	}
	clear(p.revisions)
	clear(p.revisable)
}

// rollout is the step from one revision to the next. The workload, which may
// not be recorded, says who wrote the last one.
func (p *collector) rollout(workload *teller, before, after *revision, last bool) {
	under := func(template any) any {
		return map[string]any{"spec": map[string]any{"template": template}}
	}
	changed := slices.DeleteFunc(change.Diff(under(before.template), under(after.template)), func(f change.Field) bool {
		return strings.HasSuffix(f.Path, "/pod-template-hash") || strings.HasSuffix(f.Path, "/$patch")
	})
	if len(changed) == 0 {
		return
	}
	f := after.object.fact(Rollout, ServerClock)
	f.Subject = analyzer.Subject{
		Group: "apps", Version: "v1", Kind: after.owner.Kind, Namespace: after.object.Namespace, Name: after.owner.Name, UID: string(after.owner.UID),
	}
	f.Ref = store.Ref{Resource: replay.Workloads[after.owner.Kind], Namespace: after.object.Namespace, Name: after.owner.Name}
	f.Revision, f.AllFields = after.number, changed
	lead := changed[max(slices.IndexFunc(changed, func(f change.Field) bool { return strings.HasSuffix(f.Path, "/image") }), 0)]
	if f.Path, f.Old, f.New = lead.Path, lead.Old, lead.New; len(changed) > 1 {
		f.Fields = changed
	}
	made := after.object.meta.CreationTimestamp.Time
	since := before.object.meta.CreationTimestamp.Time
	again := after.again(before)
	if again {
		// The revision is older than the rollout to it. Its controller has
		// changed its number and its size since.
		made = written(after.object.meta, after.object.Time)
	}
	stated := made
	if last && workload != nil {
		f.Writer = workload.holder(changed)
	}
	if w := f.Writer; w != nil {
		switch {
		case w.Time.Before(since) || w.Time.After(made.Add(time.Second)) && !again:
			w.Time = time.Time{} // who owns the field wrote at some other time as well: that was the last
		default:
			stated, since = w.Time, w.Time
		}
	}
	if !p.date(&f, stated, time.Second) {
		return
	}
	var first, end Fact
	first.ObservedAt, end.ObservedAt = f.ObservedAt, f.ObservedAt
	if p.date(&first, since, time.Second) && first.Earliest.Before(f.Earliest) {
		f.Earliest = first.Earliest
	}
	if p.date(&end, made, time.Second) && f.Latest.Before(end.Latest) && f.Writer == nil {
		f.Latest = end.Latest
	}
	p.facts = append(p.facts, f)
}

// written is when a controller wrote last to anything but the status of an
// object, or else when the object was heard.
func written(m *metav1.ObjectMeta, heard time.Time) time.Time {
	var last time.Time
	for _, e := range m.ManagedFields {
		if e.Time != nil && e.Subresource == "" && e.Time.After(last) {
			last = e.Time.Time
		}
	}
	if last.IsZero() {
		return heard
	}
	return last
}

// holder is who owns the fields, as managedFields have it: of several, the one
// who owns most of them, then the latest. nil if nobody does.
func (t *teller) holder(owned []change.Field) *change.Writer {
	var best *metav1.ManagedFieldsEntry
	most := 0
	for _, e := range t.owners() {
		n := 0
		for i := range owned {
			if owned[i].New != nil && owns(e.set, owned[i].FieldPath()) {
				n++
			}
		}
		if n > most || n == most && n > 0 && best.Time.Before(e.Time) {
			best, most = e.ManagedFieldsEntry, n
		}
	}
	if best == nil {
		return nil
	}
	return &change.Writer{Manager: best.Manager, Operation: string(best.Operation), Subresource: best.Subresource, Time: best.Time.UTC()}
}

// owns reports whether the field, something in it, or the atomic part that it
// is in is in the set.
func owns(set *fieldpath.Set, path fieldpath.Path) bool {
	for i, element := range path {
		below, deeper := set.Children.Get(element)
		if i == len(path)-1 {
			return deeper || set.Members.Has(element)
		}
		if !deeper {
			return set.Members.Has(element)
		}
		set = below
	}
	return false
}
