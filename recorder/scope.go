package recorder

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// Target is what one stream of a recording listens to.
type Target struct {
	Resource  schema.GroupVersionResource
	Kind      string
	Namespace string // "" is the whole cluster, or a resource outside of namespaces
	Selector  string // only objects that match it are recorded; "" is all
}

// String names the target as kubectl would: "pods", "deployments.apps in shop".
func (t Target) String() string {
	name := t.Resource.GroupResource().String()
	if t.Namespace != "" {
		name += " in " + t.Namespace
	}
	return name
}

// Targets returns what Run listens to on a cluster with these resources,
// sorted by group, resource and namespace.
func (o *Options) Targets(discovery []metav1.APIResource) ([]Target, error) {
	wanted, err := o.wanted(discovery)
	if err != nil {
		return nil, err
	}
	var targets []Target
	for _, s := range wanted {
		t := Target{Resource: s.resource.gvr, Kind: s.resource.kind, Namespace: s.namespace}
		if o.selects(s.resource) {
			t.Selector = o.Selector.String()
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// Scope says what was asked for, as it stands in a recording's header.
func (o *Options) Scope() store.Scope {
	s := store.Scope{Profile: o.Profile, Namespaces: o.namespaces()}
	if o.Selector != nil && !o.Selector.Empty() {
		s.Selector = o.Selector.String()
	}
	for _, ref := range o.Subjects {
		s.Subjects = append(s.Subjects, store.Subject{Group: ref.Resource.Group, Resource: ref.Resource.Resource, Namespace: ref.Namespace, Name: ref.Name})
	}
	return s
}

// wanted returns the scopes to record, in the order of discovery.
func (o *Options) wanted(discovery []metav1.APIResource) ([]scope, error) {
	kinds, err := Kinds(o.Profile, discovery, o.Resources)
	if err != nil {
		return nil, err
	}
	var wanted []scope
	for _, k := range kinds {
		wanted = append(wanted, o.scopes(k)...)
	}
	return wanted, nil
}

// scope is what one stream listens to: a resource, in one namespace or ("")
// everywhere.
type scope struct {
	resource  resource
	namespace string
}

func (s scope) String() string {
	return Target{Resource: s.resource.gvr, Namespace: s.namespace}.String()
}

// path returns the URL path of the scope's collection.
func (s scope) path() string {
	gvr := s.resource.gvr
	path := "/api/" + gvr.Version
	if gvr.Group != "" {
		path = "/apis/" + gvr.Group + "/" + gvr.Version
	}
	if s.namespace != "" {
		path += "/namespaces/" + s.namespace
	}
	return path + "/" + gvr.Resource
}

// systemNamespace is where cluster DNS, kube-proxy and the Leases of the
// controllers are.
const systemNamespace = "kube-system"

// leaseNamespaces are where Leases are recorded, whatever the scope: those of the
// controllers, and those that kubelets renew. A Node's Lease falls silent with
// the Node, up to a minute before the node controller says so; of a renewal only
// the new time is written.
var leaseNamespaces = []string{"kube-node-lease", systemNamespace}

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// scopes returns the streams that record a resource.
func (o *Options) scopes(r metav1.APIResource) []scope {
	res := resourceOf(r)
	gr := res.gvr.GroupResource()
	namespaces := o.namespaces()
	switch {
	case gr == leases:
		namespaces = slices.Clone(leaseNamespaces)
	case len(o.Subjects) > 0:
		namespaces = o.closure(gr, r.Namespaced, namespaces)
	case !r.Namespaced, len(namespaces) == 0:
		namespaces = []string{""}
	}
	slices.Sort(namespaces)
	var ss []scope
	for _, ns := range namespaces {
		ss = append(ss, scope{res, ns})
	}
	return ss
}

func resourceOf(r metav1.APIResource) resource {
	return resource{
		gvr:        schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Name},
		kind:       r.Kind,
		namespaced: r.Namespaced,
	}
}

// namespaces returns the namespaces that are recorded as a whole: those asked
// for, and those of the subjects.
func (o *Options) namespaces() []string {
	namespaces := slices.Clone(o.Namespaces)
	for _, s := range o.Subjects {
		if s.Namespace != "" && !slices.Contains(namespaces, s.Namespace) {
			namespaces = append(namespaces, s.Namespace)
		}
	}
	return namespaces
}

// The reference closure of a subject: what the analyzer looks at to decide
// about it. A selector, an owner and a policy reach no further than a
// namespace, and that there is nothing else in it must be known too, so a
// subject's namespace is recorded with all kinds of the profile. Beyond it are:
//   - the kinds outside of namespaces that Pods, volumes and ways in refer to, and
//     the policies that refuse Pods,
//   - cluster DNS and kube-proxy,
//   - the names and virtual IPs of Services, which are the whole cluster's,
//   - and of a Node the Pods of all namespaces.
//
// The table of kinds has them as kinds.Closure.

// closure returns the namespaces in which a resource is recorded for the sake
// of the subjects, which lie in the given ones; "" is everywhere.
func (o *Options) closure(gr schema.GroupResource, namespaced bool, namespaces []string) []string {
	everywhere := []string{""}
	k, _ := kinds.ByResource(gr)
	switch {
	case !namespaced && (o.Profile == Full || k.Closure.Has(kinds.Referred)):
		return everywhere
	case !namespaced:
		return nil
	case k.Closure.Has(kinds.Wide) && !o.Confined:
		return everywhere
	case k.Closure.Has(kinds.Node) && slices.ContainsFunc(o.Subjects, isNode):
		return everywhere
	case k.Closure.Has(kinds.System) && !slices.Contains(namespaces, systemNamespace):
		return append(namespaces, systemNamespace)
	}
	return namespaces
}

func isNode(ref store.Ref) bool {
	return ref.Resource.Group == "" && ref.Resource.Resource == "nodes"
}
