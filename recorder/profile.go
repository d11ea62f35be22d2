package recorder

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/kinds"
)

// Profiles, from the smallest to the largest.
const (
	Minimal  = string(kinds.Minimal)  // what a Service's verdict needs
	Standard = string(kinds.Standard) // what any diagnosis reads
	Full     = "full"                 // everything the cluster can list and watch
)

// refused are never recorded, whatever the profile: credentials, and what
// would be recorded twice.
var refused = map[schema.GroupResource]string{
	{Group: "certificates.k8s.io", Resource: "certificatesigningrequests"}: "carries credentials",
	{Group: "oauth.openshift.io", Resource: "oauthaccesstokens"}:           "carries credentials",
	{Group: "oauth.openshift.io", Resource: "oauthauthorizetokens"}:        "carries credentials",
	// The same objects as core/v1 Events: both are one storage.
	{Group: "events.k8s.io", Resource: "events"}: "recorded as core/v1 Events",
	// Ours, made by containerLogs; no cluster lists them.
	kinds.ContainerLogs.GroupResource(): "made while recording",
}

// resource is one kind of object that can be recorded.
type resource struct {
	gvr        schema.GroupVersionResource
	kind       string
	namespaced bool
}

// Kinds returns the resources of the discovery document that a profile
// records, sorted by group and name. only, unless empty, restricts them
// further, to resources named as kubectl names them: "pods",
// "deployments.apps".
func Kinds(profile string, discovery []metav1.APIResource, only []string) ([]metav1.APIResource, error) {
	wanted, err := profileFilter(profile)
	if err != nil {
		return nil, err
	}
	var restricted []schema.GroupResource
	for _, name := range only {
		restricted = append(restricted, schema.ParseGroupResource(name))
	}
	var recorded []metav1.APIResource
	for _, r := range discovery {
		gr := schema.GroupResource{Group: r.Group, Resource: r.Name}
		if _, never := refused[gr]; never || !wanted(gr) || strings.Contains(r.Name, "/") {
			continue
		}
		if !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "watch") {
			continue
		}
		if len(restricted) > 0 && !slices.Contains(restricted, gr) {
			continue
		}
		recorded = append(recorded, r)
	}
	sortResources(recorded)
	return recorded, nil
}

// profileFilter returns whether a profile records a resource.
func profileFilter(profile string) (func(schema.GroupResource) bool, error) {
	in := func(p kinds.Profile, gr schema.GroupResource) bool {
		k, known := kinds.ByResource(gr)
		return known && k.Profile == p || p == kinds.Standard && slices.Contains(kinds.StandardGroups, gr.Group)
	}
	switch profile {
	case Minimal:
		return func(gr schema.GroupResource) bool { return in(kinds.Minimal, gr) }, nil
	case Standard:
		return func(gr schema.GroupResource) bool { return in(kinds.Minimal, gr) || in(kinds.Standard, gr) }, nil
	case Full:
		return func(schema.GroupResource) bool { return true }, nil
	}
	return nil, fmt.Errorf("unknown profile %q: want %s, %s or %s", profile, Minimal, Standard, Full)
}

func sortResources(rs []metav1.APIResource) {
	slices.SortFunc(rs, func(a, b metav1.APIResource) int {
		if c := strings.Compare(a.Group, b.Group); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
}
