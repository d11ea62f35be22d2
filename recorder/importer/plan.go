package importer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// plan is what all sources together prove, found out before anything is written:
// whether absence is proven depends on what comes later.
type plan struct {
	log        stretch // from the first to the last entry of the audit logs
	all        stretch
	lowest     string               // resourceVersion with which the log begins
	born       map[string]time.Time // Namespaces whose creation is in the log
	resources  map[schema.GroupResource]*resourcePlan
	silences   []stretch // in which the log says nothing
	blind      bool      // the log has a line that does not even say what was written
	refused    int
	clusterUID string  // UID of Namespace kube-system
	history    history // of etcd
	omits      func(resource schema.GroupResource, namespace string) string
}

type stretch struct{ from, to time.Time }

func (s *stretch) take(t time.Time) {
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
	if t.After(s.to) {
		s.to = t
	}
}

func (s *stretch) has(t time.Time) bool {
	return !s.from.IsZero() && !t.Before(s.from) && !t.After(s.to)
}

type objectKey struct{ namespace, name string }

// resourcePlan is what is known of one resource.
type resourcePlan struct {
	versions   map[string]int
	version    string // the one that is taken over
	asked      string // the version in which an empty list was asked for
	kind       string
	namespaced bool
	written    int // with their content
	unseen     int // without
	listed     int
	status     int // of written, those of the status
	objects    map[objectKey]*objectPlan
	lists      []list
	hidden     bool // it was written without the log saying so
	scopes     map[string]*scopePlan
	omitted    map[string]string // by namespace: why the log leaves out writes; "" if it does not
}

// list is one complete list.
type list struct {
	source    int
	namespace string
	at        time.Time
}

// objectPlan is what is known of the first appearance of a name in the log, and
// of the lists.
type objectPlan struct {
	first    Kind      // the first entry of the log; 0 if there is none
	content  time.Time // of the first content in the log
	last     string    // the newest resourceVersion in the log
	lastAt   time.Time
	listed   string // the oldest resourceVersion in a list
	listedAt time.Time
	backdate bool // what was listed held already when the log began
	blank    bool // the log has writes of it without content
}

// scopePlan says from when on absence is proven in a namespace, or ("") in the
// cluster.
type scopePlan struct {
	proven bool
	from   time.Time
	why    string
}

func newPlan(pass *firstPass) *plan {
	p := &plan{born: map[string]time.Time{}, resources: map[schema.GroupResource]*resourcePlan{}}
	if len(pass.histories) > 0 {
		p.history = pass.histories[0]
	}
	if pass.alive.from.IsZero() {
		return p
	}
	p.log, p.all = pass.alive, pass.alive
	last := int64(0)
	for _, minute := range slices.Sorted(maps.Keys(pass.minutes)) {
		if last != 0 && minute-last > longSilence {
			p.silences = append(p.silences, stretch{time.Unix((last+1)*60, 0).UTC(), time.Unix(minute*60, 0).UTC()})
		}
		last = minute
	}
	return p
}

func (p *plan) resource(r schema.GroupVersionResource) *resourcePlan {
	gr := r.GroupResource()
	rp := p.resources[gr]
	if rp == nil {
		rp = &resourcePlan{versions: map[string]int{}, objects: map[objectKey]*objectPlan{}, scopes: map[string]*scopePlan{}}
		p.resources[gr] = rp
	}
	return rp
}

// longSilence is for how many minutes an audit log may say nothing and still be
// whole: even an idle cluster renews Leases each few seconds, though some
// policies leave them out.
const longSilence = 5

// take notes one record. Records come in order.
func (p *plan) take(r *Record) {
	rp := p.resource(r.Resource)
	if r.Time.IsZero() { // a line that was cut off: nobody knows from when on
		rp.hidden, p.blind = true, p.blind || r.Resource.Resource == ""
		rp.unseen++
		return
	}
	p.all.take(r.Time)
	if r.Kind != Listed && r.Kind != ListDone && p.history.from.IsZero() {
		p.log.take(r.Time)
	}
	if r.Namespace != "" {
		rp.namespaced = true
	}
	if r.Name == "kube-system" && r.Resource.GroupResource() == (schema.GroupResource{Resource: "namespaces"}) && r.UID != "" {
		p.clusterUID = r.UID
	}
	key := objectKey{r.Namespace, r.Name}
	object := func() *objectPlan {
		o := rp.objects[key]
		if o == nil {
			o = &objectPlan{}
			rp.objects[key] = o
		}
		return o
	}
	switch r.Kind {
	case Refused:
		p.refused++
		return
	case ListDone:
		rp.asked = r.Resource.Version
		rp.lists = append(rp.lists, list{r.Source, r.Namespace, r.Time})
		return
	case Listed:
		rp.listed++
		rp.versions[r.Resource.Version]++
		rp.know(r)
		o := object()
		if o.listed == "" {
			o.listed, o.listedAt = r.ResourceVersion, r.Time
		}
		return
	case Unseen:
		rp.unseen++
		if r.Name == "" {
			return
		}
	default:
		rp.written++
		rp.versions[r.Resource.Version]++
		rp.know(r)
		if r.Request == nil || r.Request.Subresource == "status" {
			rp.status++
		}
		if r.ResourceVersion != "" && (p.lowest == "" || newer(p.lowest, r.ResourceVersion)) {
			p.lowest = r.ResourceVersion
		}
		if r.Kind == Created && r.Resource.Resource == "namespaces" && r.Resource.Group == "" {
			if _, twice := p.born[r.Name]; !twice {
				p.born[r.Name] = r.Time
			}
		}
	}
	o := object()
	if o.first == 0 {
		o.first = r.Kind
	}
	if r.Kind == Unseen {
		o.blank = true
	} else if o.content.IsZero() {
		o.content = r.Time
	}
	if r.ResourceVersion != "" {
		o.last, o.lastAt = r.ResourceVersion, r.Time
	}
}

// omission says why the audit log leaves out writes in a namespace, or ("") in
// any; "" if it is not known to.
func (p *plan) omission(gr schema.GroupResource, rp *resourcePlan, namespace string) string {
	if p.omits == nil || p.log.from.IsZero() {
		return ""
	}
	why, known := rp.omitted[namespace]
	if !known {
		if why = p.omits(gr, namespace); why != "" {
			why = "the audit policy leaves out writes: " + why
		}
		if rp.omitted == nil {
			rp.omitted = map[string]string{}
		}
		rp.omitted[namespace] = why
	}
	return why
}

// know notes the kind of a resource, as the first object says it.
func (rp *resourcePlan) know(r *Record) {
	if rp.kind == "" && len(r.Object) > 0 {
		rp.kind = kindOf(r.Object)
	}
}

// statusful are the resources whose status decides, and is written by a
// subresource. A log without such writes does not follow them.
var statusful = map[schema.GroupResource]bool{
	{Resource: "pods"}: true, {Resource: "nodes"}: true,
	{Group: "apps", Resource: "deployments"}: true, {Group: "apps", Resource: "replicasets"}: true,
	{Group: "apps", Resource: "statefulsets"}: true, {Group: "apps", Resource: "daemonsets"}: true,
}

// preferred are versions that are taken over where a resource was written in
// several.
var preferred = map[schema.GroupResource]string{
	{Group: "autoscaling", Resource: "horizontalpodautoscalers"}:        "v2",
	{Group: "gateway.networking.k8s.io", Resource: "referencegrants"}:   "v1beta1",
	{Group: "flowcontrol.apiserver.k8s.io", Resource: "flowschemas"}:    "v1",
	{Group: "flowcontrol.apiserver.k8s.io", Resource: "prioritylevels"}: "v1",
}

// follows reports whether the log tells of all writes of a resource, as far as it
// shows.
func (rp *resourcePlan) follows(gr schema.GroupResource) bool {
	return rp.written > 0 && !rp.hidden && (!statusful[gr] || rp.status > 0)
}

// settle draws the conclusions.
func (p *plan) settle() {
	_, clusterBorn := p.born["kube-system"]
	for gr, rp := range p.resources {
		rp.version = preferred[gr]
		if rp.version == "" || rp.versions[rp.version] == 0 {
			most := slices.MaxFunc(append(slices.Collect(maps.Keys(rp.versions)), ""), func(a, b string) int {
				return cmp.Or(cmp.Compare(rp.versions[a], rp.versions[b]), cmp.Compare(a, b))
			})
			rp.version = cmp.Or(most, rp.asked)
		}
		p.hidden(rp)
		rp.hidden = rp.hidden || p.blind
		// base is until when, by namespace, there is an object of which nothing is
		// known although it existed.
		base := map[string]time.Time{}
		for key, o := range rp.objects {
			if o.listed != "" && p.log.has(o.listedAt) && p.lowest != "" && newer(p.lowest, o.listed) {
				o.backdate = true
			}
			if o.backdate || o.first == Created {
				continue
			}
			known := o.content
			if known.IsZero() || o.listed != "" && o.listedAt.Before(known) && p.log.has(o.listedAt) {
				known = o.listedAt
			}
			if known.IsZero() {
				known = p.all.to
			}
			if known.After(base[key.namespace]) {
				base[key.namespace] = known
			}
		}
		if !rp.follows(gr) || len(p.silences) > 0 {
			continue
		}
		worst := time.Time{}
		for _, at := range base {
			if at.After(worst) {
				worst = at
			}
		}
		later := func(a, b time.Time) time.Time {
			if a.After(b) {
				return a
			}
			return b
		}
		if clusterBorn {
			rp.scopes[""] = &scopePlan{true, later(p.log.from, worst), "the audit log begins before the cluster"}
		}
		for _, l := range rp.lists {
			if !p.log.has(l.at) {
				continue
			}
			from := base[l.namespace]
			if l.namespace == "" {
				from = worst
			}
			if s := rp.scopes[l.namespace]; s == nil || later(p.log.from, from).Before(s.from) {
				rp.scopes[l.namespace] = &scopePlan{true, later(p.log.from, from), "the audit log, and a complete list during it"}
			}
		}
		if !rp.namespaced {
			continue
		}
		for ns, at := range p.born {
			from := later(at, base[ns])
			if s := rp.scopes[ns]; s == nil || from.Before(s.from) {
				rp.scopes[ns] = &scopePlan{true, from, "the audit log has the creation of the Namespace"}
			}
		}
	}
	for gr, rp := range p.resources {
		maps.DeleteFunc(rp.scopes, func(ns string, _ *scopePlan) bool { return p.omission(gr, rp, ns) != "" })
	}
}

// hidden finds out whether a list has an object newer than the log knows it
// although the log goes on: then it does not tell of all writes.
func (p *plan) hidden(rp *resourcePlan) {
	for _, o := range rp.objects {
		if o.listed != "" && o.first != 0 && !o.blank && newer(o.listed, o.last) && p.log.has(o.listedAt) {
			rp.hidden = true
		}
		if o.listed != "" && o.first == 0 && p.lowest != "" && newer(o.listed, p.lowest) && p.log.has(o.listedAt) {
			rp.hidden = true
		}
	}
}

// sorted returns the resources in order.
func (p *plan) sorted() []schema.GroupResource {
	all := slices.SortedFunc(maps.Keys(p.resources), func(a, b schema.GroupResource) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource))
	})
	return slices.DeleteFunc(all, func(gr schema.GroupResource) bool { return gr.Resource == "" }) // of lines that do not say it
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
