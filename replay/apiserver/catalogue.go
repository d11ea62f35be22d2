package apiserver

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// catalogue is what the recorded cluster had: every resource that can be read,
// whether it was recorded or not.
type catalogue struct {
	resources map[schema.GroupVersionResource]*resource
	groups    []group
	version   string // gitVersion of the recorded API server
}

// resource is one of them. Its Verbs are those that a recording answers.
type resource struct {
	metav1.APIResource
	gvr schema.GroupVersionResource
	// scopes are the namespaces in which it was ever listened to, sorted; "" is
	// the whole cluster. It is empty if the resource was not recorded.
	scopes []string
}

// group is an API group with its versions, the preferred one first.
type group struct {
	name     string
	versions []groupVersion
}

type groupVersion struct {
	schema.GroupVersion
	resources []*resource // by name
}

// reading are the verbs a recording can answer.
var reading = []string{"get", "list", "watch"}

func newCatalogue(t replay.Timeline, at store.Seq) (*catalogue, error) {
	info := t.Info()
	resources, err := t.Resources(at)
	if err != nil {
		return nil, err
	}
	if len(resources) == 0 {
		return nil, errors.New("the recording has no discovery document, so no resource type is known")
	}
	c := &catalogue{resources: map[schema.GroupVersionResource]*resource{}, version: info.Cluster.Version}
	for _, r := range resources {
		verbs := slices.DeleteFunc(slices.Clone(r.Verbs), func(v string) bool { return !slices.Contains(reading, v) })
		gvr := schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Name}
		if reviews[gvr.GroupResource()] != "" {
			verbs = []string{"create"}
		}
		if len(verbs) == 0 || strings.Contains(r.Name, "/") {
			continue
		}
		r.Verbs = verbs
		c.resources[gvr] = &resource{APIResource: r, gvr: gvr}
	}
	ledger, err := t.Ledger(1, info.Last)
	if err != nil {
		return nil, err
	}
	for _, change := range ledger {
		r := c.resources[change.Resource]
		if r != nil && change.Status != store.NotRecorded && !slices.Contains(r.scopes, change.Namespace) {
			r.scopes = append(r.scopes, change.Namespace)
		}
	}
	for _, r := range c.resources {
		slices.Sort(r.scopes)
		c.place(r)
	}
	c.sort()
	return c, nil
}

// place puts the resource into its group.
func (c *catalogue) place(r *resource) {
	i := slices.IndexFunc(c.groups, func(g group) bool { return g.name == r.gvr.Group })
	if i < 0 {
		i = len(c.groups)
		c.groups = append(c.groups, group{name: r.gvr.Group})
	}
	g := &c.groups[i]
	j := slices.IndexFunc(g.versions, func(v groupVersion) bool { return v.Version == r.gvr.Version })
	if j < 0 {
		j = len(g.versions)
		g.versions = append(g.versions, groupVersion{GroupVersion: r.gvr.GroupVersion()})
	}
	g.versions[j].resources = append(g.versions[j].resources, r)
}

// sort orders groups as clients are meant to prefer them where a name exists in
// several: core and Kubernetes' own before those of others, so that "events" or
// "services" mean what they mean on the cluster.
func (c *catalogue) sort() {
	rank := func(name string) int {
		switch {
		case name == "":
			return 0
		case name == "apps":
			return 1
		case !strings.Contains(name, "."), strings.HasSuffix(name, ".k8s.io"):
			return 2
		}
		return 3
	}
	slices.SortFunc(c.groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(rank(a.name), rank(b.name)), strings.Compare(a.name, b.name))
	})
	for _, g := range c.groups {
		slices.SortFunc(g.versions, func(a, b groupVersion) int {
			return version.CompareKubeAwareVersionStrings(b.Version, a.Version)
		})
		for _, v := range g.versions {
			slices.SortFunc(v.resources, func(a, b *resource) int { return strings.Compare(a.Name, b.Name) })
		}
	}
}

// find returns a resource, nil if the cluster did not have it.
func (c *catalogue) find(gvr schema.GroupVersionResource) *resource { return c.resources[gvr] }

// served returns a group version, nil if it has nothing that can be read.
func (c *catalogue) served(gv schema.GroupVersion) *groupVersion {
	for i := range c.groups {
		for j := range c.groups[i].versions {
			if v := &c.groups[i].versions[j]; v.GroupVersion == gv {
				return v
			}
		}
	}
	return nil
}

// unknown is the answer about a resource that is not there. If it was recorded
// in another version, it says so.
func (c *catalogue) unknown(q query) error {
	err := failure(http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource")
	err.ErrStatus.Details = &metav1.StatusDetails{}
	for gvr, r := range c.resources {
		if gvr.GroupResource() == q.gvr.GroupResource() && gvr.Version != q.gvr.Version {
			err.ErrStatus.Message = fmt.Sprintf("%s were recorded as %s: a recording does not convert versions", r.Name, gvr.GroupVersion())
			err.ErrStatus.Details = &metav1.StatusDetails{Group: gvr.Group, Kind: gvr.Resource, Name: q.name}
		}
	}
	return err
}

// listKind is the kind of a list of the resource.
func (r *resource) listKind() string { return r.Kind + "List" }

// String names the resource as kubectl does: "deployments.apps".
func (r *resource) String() string { return r.gvr.GroupResource().String() }
