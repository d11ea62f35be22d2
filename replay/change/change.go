// Package change finds what changed in an object between two positions of a
// timeline, and who changed it.
//
// A Change is one write to one object, or its end. It has Fields with the values
// before and after, a Writer where managedFields name one, and an Origin, which
// tells what somebody wanted from what a controller made of it.
package change

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
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
	Fields          []Field          `json:"fields,omitempty"`    // all that this write changed, if it was more than one field
	Writer          *Writer          `json:"writer,omitempty"`    // nil where nothing tells: a deletion leaves no writer
	Requester       *Requester       `json:"requester,omitempty"` // nil where no audit log tells
	Origin          Origin           `json:"origin"`
	Link            Link             `json:"link,omitempty"`
	Note            string           `json:"note,omitempty"` // why it explains what it explains
	With            []store.Seq      `json:"with,omitempty"` // further writes that belong to the same act

	// Ref is the object's name. Before and After are its versions: nil if it was
	// created, or is gone. They are read-only.
	Ref    store.Ref        `json:"-"`
	Before *analyzer.Object `json:"-"`
	After  *analyzer.Object `json:"-"`
	// AllFields is what changed, also when it was only one field.
	AllFields []Field `json:"-"`
	// Part says that AllFields are some of what the write changed: the rest stays
	// where this is taken back.
	Part bool `json:"-"`
	// Decides says that of several fields the one at Path makes the difference alone.
	Decides bool `json:"-"`
	// NamedBy is the Kubernetes Event that names the writer, if it was that.
	NamedBy store.Seq `json:"-"`
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

// Controllers are the field managers of Kubernetes' own components, and of the
// ones that stand in for kubelets in tests. What they write follows from
// something else.
var Controllers = []string{
	"kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager", "kube-apiserver",
	"kwok", "kwok-controller", "endpointslice-controller", "cluster-autoscaler", "horizontal-pod-autoscaler",
}

// IsController reports whether a writer is one of Kubernetes' own components: what
// it writes follows from something else.
func IsController(w *Writer) bool { return slices.Contains(Controllers, w.Manager) }

// List returns what happened to the object after a position, up to another,
// in order. What only moved time stamps or versions is left out. The first
// version of an object that existed before the recording is no change.
func List(t replay.Timeline, ref store.Ref, after, to store.Seq) ([]Change, error) {
	return ListWith(t, &replay.Cache{}, ref, after, to)
}

func ListWith(t replay.Timeline, cache *replay.Cache, ref store.Ref, after, to store.Seq) ([]Change, error) {
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
	return found, requested(t, cache, ref, found)
}

// between returns the changes from one version of a name to the next.
func between(last, o *analyzer.Object, start time.Time) []Change {
	var found []Change
	if last != nil && last.UID != o.UID {
		found = append(found, ended(last, o.Seq, o.Time))
		last = nil
	}
	after, err := Metadata(o.Object)
	if err != nil {
		return found
	}
	o.Date(after)
	c := Change{
		Seq: o.Seq, ResourceVersion: o.ResourceVersion, ObservedAt: o.Time.UTC(), Subject: SubjectOf(o),
		Ref: o.Ref(), Before: last, After: o, Path: "/",
	}
	switch {
	case last == nil && o.Type != watch.Deleted:
		if after.CreationTimestamp.Time.Before(start.Truncate(time.Second)) {
			return found
		}
		c.Verb = Created
		c.Writer = WriterOf(nil, after, nil, o.Time)
	case o.Type == watch.Deleted:
		c.Verb, c.After = Deleted, nil
		if last == nil {
			c.Before = o // nothing earlier is kept; a deletion tells the final state
		}
	default:
		before, err := Metadata(last.Object)
		if err != nil {
			return found
		}
		last.Date(before)
		if c.AllFields = Meaningful(o, Diff(Decode(last), Decode(o))); len(c.AllFields) == 0 {
			return found
		}
		c.Verb = Updated
		if before.DeletionTimestamp == nil && after.DeletionTimestamp != nil {
			c.Verb = Deleting
		} else {
			c.Writer = WriterOf(before, after, c.AllFields, o.Time)
			if c.Writer == nil && binds(&c) {
				c.Writer = &Writer{Manager: "kube-scheduler", Operation: "Update", Subresource: "binding"}
			}
		}
		if o.Type == watch.Added { // listed anew: the change happened while nobody listened
			c.Earliest = last.Time.UTC()
		}
		if c.Writer != nil && o.Time.Sub(c.Writer.Time) > heardLate && c.Writer.Time.After(last.Time) {
			c.Earliest = c.Writer.Time // it came when the recorder was back
		}
		c.Lead(c.AllFields)
	}
	c.Origin = origin(&c, after)
	return append(found, c)
}

// heardLate is how long after the time of its writer a change may be observed by a
// recorder that listens.
const heardLate = 10 * time.Second

// Lead puts one field in front: the first of the given ones.
func (c *Change) Lead(fields []Field) {
	if len(fields) == 0 {
		return
	}
	c.Path, c.Old, c.New = fields[0].Path, fields[0].Old, fields[0].New
	if c.Fields = nil; len(c.AllFields) > 1 {
		c.Fields = c.AllFields
	}
}

// ended is the deletion of an object that no event told of: a list came without
// it, or another object has its name.
func ended(last *analyzer.Object, seq store.Seq, noticed time.Time) Change {
	c := Change{
		Seq: seq, ObservedAt: noticed.UTC(), Earliest: last.Time.UTC(), Subject: SubjectOf(last), Verb: Deleted, Path: "/",
		Ref: last.Ref(), Before: last,
	}
	c.Origin = Intent
	if m, err := Metadata(last.Object); err == nil {
		c.Origin = origin(&c, m)
	}
	return c
}

func absent(t replay.Timeline, ref store.Ref, at store.Seq) (bool, error) {
	live, err := t.Find(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}, at)
	return len(live) == 0, err
}

// goneSince returns the first position after the given one, up to another, at
// which the object does not exist; 0 if it still does.
func goneSince(t replay.Timeline, last *analyzer.Object, after, to store.Seq) (store.Seq, error) {
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
	byController := c.Writer != nil && slices.Contains(Controllers, c.Writer.Manager) || byNodeController(c)
	switch c.Verb {
	case Created, Deleting, Deleted:
		byNobody := c.Writer == nil && slices.Contains(DerivedResources, c.Ref.Resource.Resource) && !c.ofHandMadeSlice()
		if byController || byNobody || len(m.OwnerReferences) > 0 {
			return Derived
		}
		if c.Verb == Deleted && c.Before != nil {
			if was, err := Metadata(c.Before.Object); err == nil && was.DeletionTimestamp != nil {
				return Derived // it had been asked for
			}
		}
		return Intent
	}
	switch {
	case onlyStatus(c.AllFields):
		return Status
	case byController, c.Writer == nil && slices.Contains(DerivedResources, c.Ref.Resource.Resource):
		return Derived
	}
	return Intent
}

// byNodeController reports whether all that changed are taints that say how the
// node is: Kubernetes puts them there and takes them away (well_known_taints.go
// in k8s.io/api/core/v1).
func byNodeController(c *Change) bool {
	if c.Ref.Resource != replay.Nodes || len(c.AllFields) == 0 {
		return false
	}
	return !slices.ContainsFunc(c.AllFields, func(f Field) bool {
		return !strings.HasPrefix(f.Path, "/spec/taints") || !strings.Contains(Text(f.Old)+Text(f.New)+f.Path, `node.kubernetes.io/`)
	})
}

// DerivedResources exist because of something else.
var DerivedResources = []string{"endpointslices", "endpoints", "events", "leases", "replicasets", "controllerrevisions"}

// Meaningful leaves out what says nothing: versions, time stamps, and annotations
// in which tools keep their own books. Values of Secrets that are not redacted
// already are hidden.
func Meaningful(o *analyzer.Object, fields []Field) []Field {
	fields = slices.DeleteFunc(fields, func(f Field) bool { return noise(f.Path) })
	if o.Resource.Resource == "secrets" && o.Resource.Group == "" {
		for i := range fields {
			if top := fields[i].Top(); top == "data" || top == "stringData" {
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

// Decode returns the object as plain values, nil if it is no JSON.
func Decode(o *analyzer.Object) any {
	var v any
	if json.Unmarshal(o.Object, &v) != nil {
		return nil
	}
	return v
}

// SubjectOf names an object by the kind in it, or by its resource if it was
// sent without.
func SubjectOf(o *analyzer.Object) analyzer.Subject {
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
		return fmt.Sprintf("%s %s added: %s", name, c.Path, Text(c.New))
	case c.New == nil:
		return fmt.Sprintf("%s %s removed: %s", name, c.Path, Text(c.Old))
	}
	return fmt.Sprintf("%s %s %s -> %s", name, c.Path, Text(c.Old), Text(c.New))
}

// Others is how many further fields are worth a word beside the first: none where that
// decides alone.
func (c *Change) Others() int {
	if c.Decides || c.Verb != Updated {
		return 0
	}
	return max(0, len(c.Fields)-1)
}

// Only returns the change with one of its fields.
func (c Change) Only(f Field) Change {
	c.Part = c.Part || len(c.AllFields) > 1
	c.AllFields = []Field{f}
	c.Lead(c.AllFields)
	return c
}

// Under returns the change with only the fields below a path, such as /status;
// false if it changed none there. Creation and deletion stay as they are.
func (c Change) Under(path string) (Change, bool) {
	if c.Verb != Updated {
		return c, true
	}
	c.AllFields = slices.DeleteFunc(slices.Clone(c.AllFields), func(f Field) bool { return f.Path != path && !strings.HasPrefix(f.Path, path+"/") })
	if len(c.AllFields) == 0 {
		return c, false
	}
	c.Lead(c.AllFields)
	return c, true
}
