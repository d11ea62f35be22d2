package replay

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// Change is one write to one object, or its end: what it changed and who made
// it.
type Change struct {
	Seq             store.Seq        `json:"seq"`
	ResourceVersion string           `json:"resourceVersion,omitempty"`
	ObservedAt      time.Time        `json:"observedAt"`
	Earliest        time.Time        `json:"earliest,omitzero"` // set where nobody was listening: it happened between this and ObservedAt
	Subject         analyzer.Subject `json:"subject"`
	Verb            Verb             `json:"verb"`
	Path            string           `json:"path"` // of the first field, "/" for the object as a whole
	Old             any              `json:"old,omitempty"`
	New             any              `json:"new,omitempty"`
	Fields          []Field          `json:"fields,omitempty"` // all that this write changed, if it was more than one field
	Writer          *Writer          `json:"writer,omitempty"` // nil where nothing tells: a deletion leaves no writer
	Origin          Origin           `json:"origin"`
	Link            Link             `json:"link,omitempty"`
	Note            string           `json:"note,omitempty"` // why it explains what it explains
	With            []store.Seq      `json:"with,omitempty"` // further writes that belong to the same act

	ref    store.Ref
	before *analyzer.Object // nil if created
	after  *analyzer.Object // nil if gone
	all    []Field          // what changed, also when it was only one field
	told   store.Seq        // the Kubernetes Event that names the writer, if it was that
}

// Verb says what a change did to its object.
type Verb string

// What can happen to an object.
const (
	Created  Verb = "created"
	Updated  Verb = "updated"
	Deleting Verb = "deleting" // its deletion was asked for; it still exists
	Deleted  Verb = "deleted"
)

// Origin tells intentions from what Kubernetes makes of them.
type Origin string

// Where changes come from.
const (
	Intent  Origin = "intent"  // somebody, or some tool, wanted it
	Derived Origin = "derived" // a controller carried out an earlier change
	Status  Origin = "status"  // a report on how things are
)

// Link is how strongly a change is tied to what it explains.
type Link string

// The links, strongest first.
const (
	Counterfactual Link = "counterfactual" // with the change undone in the model, the verdict is another
	Structural     Link = "structural"     // what fails has the change, and what works does not
	Correlated     Link = "correlated"     // it came before, and could explain it
)

// controllers are the field managers of Kubernetes' own components, and of the
// ones that stand in for kubelets in tests. What they write follows from
// something else.
var controllers = []string{
	"kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager", "kube-apiserver",
	"kwok", "kwok-controller", "endpointslice-controller", "cluster-autoscaler", "horizontal-pod-autoscaler",
}

// Changes returns what happened to the object after a position, up to another,
// in order. What only moved time stamps or versions is left out. The first
// version of an object that existed before the recording is no change.
func Changes(t Timeline, ref store.Ref, after, to store.Seq) ([]Change, error) {
	return changes(t, &Cache{}, ref, after, to)
}

func changes(t Timeline, cache *Cache, ref store.Ref, after, to store.Seq) ([]Change, error) {
	if to == 0 {
		return nil, nil
	}
	seqs, err := t.History(ref, to)
	if err != nil {
		return nil, err
	}
	info := t.Info()
	start := info.Began()
	first := 0 // the last version that is not after the position: what the next is compared with
	for first < len(seqs) && seqs[first] <= after {
		first++
	}
	var found []Change
	var last *analyzer.Object // the version before, nil if the object did not exist
	for i, seq := range seqs[max(first-1, 0):] {
		o, err := cache.Get(t, seq)
		if err != nil {
			return found, err
		}
		if seq > after {
			found = append(found, between(last, o, start)...)
		}
		last = o
		if o.Type == watch.Deleted {
			last = nil
		}
		if i == 0 && first > 0 && seq <= after && last != nil {
			gone, err := absent(t, ref, after)
			if err != nil {
				return found, err
			}
			if gone {
				last = nil
			}
		}
	}
	if last != nil {
		gone, err := goneSince(t, last, max(after, last.Seq), to)
		if err != nil {
			return found, err
		}
		if gone > 0 {
			at, err := t.TimeOf(gone)
			if err != nil {
				return found, err
			}
			found = append(found, ended(last, gone, at))
		}
	}
	return found, nil
}

// between returns the changes from one version of a name to the next.
func between(last, o *analyzer.Object, start time.Time) []Change {
	var found []Change
	if last != nil && last.UID != o.UID {
		found = append(found, ended(last, o.Seq, o.Time))
		last = nil
	}
	after, err := meta(o.Object)
	if err != nil {
		return found
	}
	c := Change{
		Seq: o.Seq, ResourceVersion: o.ResourceVersion, ObservedAt: o.Time.UTC(), Subject: subjectOf(o),
		ref: o.Ref(), before: last, after: o, Path: "/",
	}
	switch {
	case last == nil && o.Type != watch.Deleted:
		if after.CreationTimestamp.Time.Before(start.Truncate(time.Second)) {
			return found
		}
		c.Verb = Created
		c.Writer = writerOf(nil, after, nil)
	case o.Type == watch.Deleted:
		c.Verb, c.after = Deleted, nil
		if last == nil {
			c.before = o // nothing earlier is kept; a deletion tells the final state
		}
	default:
		before, err := meta(last.Object)
		if err != nil {
			return found
		}
		if c.all = telling(o, fields(decode(last), decode(o))); len(c.all) == 0 {
			return found
		}
		c.Verb = Updated
		if before.DeletionTimestamp == nil && after.DeletionTimestamp != nil {
			c.Verb = Deleting
		} else {
			c.Writer = writerOf(before, after, c.all)
		}
		if o.Type == watch.Added { // listed anew: the change happened while nobody listened
			c.Earliest = last.Time.UTC()
		}
		c.lead(c.all)
	}
	c.Origin = origin(&c, after)
	return append(found, c)
}

// lead puts one field in front: the first of the given ones.
func (c *Change) lead(fields []Field) {
	if len(fields) == 0 {
		return
	}
	c.Path, c.Old, c.New = fields[0].Path, fields[0].Old, fields[0].New
	if c.Fields = nil; len(c.all) > 1 {
		c.Fields = c.all
	}
}

// ended is the deletion of an object that no event told of: a list came without
// it, or another object has its name.
func ended(last *analyzer.Object, seq store.Seq, noticed time.Time) Change {
	c := Change{
		Seq: seq, ObservedAt: noticed.UTC(), Earliest: last.Time.UTC(), Subject: subjectOf(last), Verb: Deleted, Path: "/",
		ref: last.Ref(), before: last,
	}
	c.Origin = Intent
	if m, err := meta(last.Object); err == nil {
		c.Origin = origin(&c, m)
	}
	return c
}

func absent(t Timeline, ref store.Ref, at store.Seq) (bool, error) {
	live, err := t.Find(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}, at)
	return len(live) == 0, err
}

// goneSince returns the first position after the given one, up to another, at
// which the object does not exist; 0 if it still does.
func goneSince(t Timeline, last *analyzer.Object, after, to store.Seq) (store.Seq, error) {
	gone, err := absent(t, last.Ref(), to)
	if err != nil || !gone {
		return 0, err
	}
	low, high := after, to // exists at low, does not at high
	for low+1 < high {
		middle := low + (high-low)/2
		gone, err := absent(t, last.Ref(), middle)
		if err != nil {
			return 0, err
		}
		if gone {
			high = middle
		} else {
			low = middle
		}
	}
	return high, nil
}

// origin says where a change comes from. For what has a controller as its
// owner, creation and deletion are the owner's doing; whether a deletion was
// somebody's after all only the owner can tell (see cause.go).
func origin(c *Change, m *metav1.ObjectMeta) Origin {
	byController := c.Writer != nil && slices.Contains(controllers, c.Writer.Manager) || byNodeController(c)
	switch c.Verb {
	case Created, Deleting, Deleted:
		byNobody := c.Writer == nil && slices.Contains(derivedResources, c.ref.Resource.Resource)
		if byController || byNobody || len(m.OwnerReferences) > 0 {
			return Derived
		}
		if c.Verb == Deleted && c.before != nil {
			if was, err := meta(c.before.Object); err == nil && was.DeletionTimestamp != nil {
				return Derived // it had been asked for
			}
		}
		return Intent
	}
	switch {
	case onlyStatus(c.all):
		return Status
	case byController, c.Writer == nil && slices.Contains(derivedResources, c.ref.Resource.Resource):
		return Derived
	}
	return Intent
}

// byNodeController reports whether all that changed are taints that say how the
// node is: Kubernetes puts them there and takes them away (well_known_taints.go
// in k8s.io/api/core/v1).
func byNodeController(c *Change) bool {
	if c.ref.Resource != nodeResource || len(c.all) == 0 {
		return false
	}
	return !slices.ContainsFunc(c.all, func(f Field) bool {
		return !strings.HasPrefix(f.Path, "/spec/taints") || !strings.Contains(scalar(f.Old)+scalar(f.New)+f.Path, `node.kubernetes.io/`)
	})
}

// derivedResources exist because of something else.
var derivedResources = []string{"endpointslices", "endpoints", "events", "leases", "replicasets", "controllerrevisions"}

// telling leaves out what says nothing: versions, time stamps, and annotations
// in which tools keep their own books. Values of Secrets that are not redacted
// already are hidden.
func telling(o *analyzer.Object, fields []Field) []Field {
	fields = slices.DeleteFunc(fields, func(f Field) bool { return noise(f.Path) })
	if o.Resource.Resource == "secrets" && o.Resource.Group == "" {
		for i := range fields {
			if top := fields[i].top(); top == "data" || top == "stringData" {
				fields[i].Old, fields[i].New = hide(fields[i].Old), hide(fields[i].New)
			}
		}
	}
	return fields
}

// hide keeps tokens, which tell whether two values are equal and nothing else.
func hide(v any) any {
	text, is := v.(string)
	if v == nil || is && strings.HasPrefix(text, "‹r:") {
		return v
	}
	return "‹hidden›"
}

var noisePrefixes = []string{
	"/metadata/resourceVersion", "/metadata/deletionGracePeriodSeconds", "/metadata/managedFields", "/metadata/generation", "/metadata/selfLink",
	"/metadata/annotations[kubectl.kubernetes.io/last-applied-configuration]",
	"/metadata/annotations[deployment.kubernetes.io/",
	"/metadata/annotations[endpoints.kubernetes.io/last-change-trigger-time]",
	"/status/images", "/status/observedGeneration",
}

var noiseSuffixes = []string{"/lastHeartbeatTime", "/lastProbeTime", "/lastUpdateTime", "/lastTransitionTime", "/observedGeneration", "/renewTime"}

func noise(path string) bool {
	return slices.ContainsFunc(noisePrefixes, func(p string) bool { return strings.HasPrefix(path, p) }) ||
		slices.ContainsFunc(noiseSuffixes, func(s string) bool { return strings.HasSuffix(path, s) })
}

// decode returns the object as plain values, nil if it is no JSON.
func decode(o *analyzer.Object) any {
	var v any
	if json.Unmarshal(o.Object, &v) != nil {
		return nil
	}
	return v
}

// subjectOf names an object by the kind in it, or by its resource if it was
// sent without.
func subjectOf(o *analyzer.Object) analyzer.Subject {
	var typed metav1.TypeMeta
	s := analyzer.Subject{
		Group: o.Resource.Group, Version: o.Resource.Version, Kind: o.Resource.Resource,
		Namespace: o.Namespace, Name: o.Name, UID: string(o.UID),
	}
	if json.Unmarshal(o.Object, &typed) == nil && typed.Kind != "" {
		s.Kind = typed.Kind
	}
	return s
}

// String says the change in a few words: Service shop/web /spec/selector/app wbe -> web.
func (c *Change) String() string {
	name := c.Subject.Kind + " " + strings.TrimPrefix(c.Subject.Namespace+"/"+c.Subject.Name, "/")
	if c.Verb != Updated {
		return name + " " + string(c.Verb)
	}
	switch {
	case c.Old == nil:
		return fmt.Sprintf("%s %s added: %s", name, c.Path, scalar(c.New))
	case c.New == nil:
		return fmt.Sprintf("%s %s removed: %s", name, c.Path, scalar(c.Old))
	}
	return fmt.Sprintf("%s %s %s -> %s", name, c.Path, scalar(c.Old), scalar(c.New))
}

// Under returns the change with only the fields below a path, such as /status;
// false if it changed none there. Creation and deletion stay as they are.
func (c Change) Under(path string) (Change, bool) {
	if c.Verb != Updated {
		return c, true
	}
	c.all = slices.DeleteFunc(slices.Clone(c.all), func(f Field) bool { return f.Path != path && !strings.HasPrefix(f.Path, path+"/") })
	if len(c.all) == 0 {
		return c, false
	}
	c.lead(c.all)
	return c, true
}
