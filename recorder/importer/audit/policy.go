package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Policy is an audit policy: which requests an API server logs. The first rule that
// matches a request decides, and what no rule matches is not logged
// (k8s.io/apiserver/pkg/audit/policy).
type Policy struct {
	omitStages []string
	rules      []rule
}

type rule struct {
	Level           string
	Users           []string
	UserGroups      []string
	Verbs           []string
	Namespaces      []string
	NonResourceURLs []string
	OmitStages      []string
	Resources       []struct {
		Group         string
		Resources     []string
		ResourceNames []string
	}
}

// ParsePolicy reads an audit policy, as YAML or JSON.
func ParsePolicy(text []byte) (*Policy, error) {
	var p struct {
		APIVersion, Kind string
		OmitStages       []string
		Rules            []rule
	}
	if err := yaml.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("read an audit policy: %w", err)
	}
	if p.Kind != "Policy" || !strings.HasPrefix(p.APIVersion, "audit.k8s.io/") {
		return nil, errors.New("read an audit policy: it is no Policy of audit.k8s.io")
	}
	for i, r := range p.Rules {
		if !slices.Contains([]string{"None", "Metadata", "Request", "RequestResponse"}, r.Level) {
			return nil, fmt.Errorf("read an audit policy: the level of rule %d is %q", i+1, r.Level)
		}
	}
	return &Policy{p.OmitStages, p.Rules}, nil
}

// Omits says why some writes of a resource in a namespace, or ("") in any, are not
// in the log at all; "" if all are, with or without what they wrote.
func (p *Policy) Omits(resource schema.GroupResource, namespace string) string {
	if slices.Contains(p.omitStages, "ResponseComplete") {
		return "it omits the stage ResponseComplete"
	}
	for _, subresource := range []string{"", "status"} {
		if why := p.omits(resource, subresource, namespace); why != "" {
			return why
		}
	}
	return ""
}

func (p *Policy) omits(resource schema.GroupResource, subresource, namespace string) string {
	for i := range p.rules {
		r := &p.rules[i]
		some, all := r.matches(resource, subresource, namespace)
		if some && (r.Level == "None" || slices.Contains(r.OmitStages, "ResponseComplete")) {
			return fmt.Sprintf("its rule %d leaves out some", i+1)
		}
		if all {
			return ""
		}
	}
	return "no rule of it matches all"
}

// writeVerbs are the verbs of requests that write.
var writeVerbs = []string{"create", "update", "patch", "delete", "deletecollection"}

// matches reports whether a rule matches some writes of a resource, and whether it
// matches all of them.
func (r *rule) matches(resource schema.GroupResource, subresource, namespace string) (some, all bool) {
	if len(r.NonResourceURLs) > 0 {
		return false, false
	}
	some, all = true, len(r.Users) == 0 && r.everybody()
	if len(r.Verbs) > 0 && !slices.Contains(r.Verbs, "*") {
		has := func(verb string) bool { return slices.Contains(r.Verbs, verb) }
		some = slices.ContainsFunc(writeVerbs, has)
		all = all && !slices.ContainsFunc(writeVerbs, func(verb string) bool { return !has(verb) })
	}
	if len(r.Namespaces) > 0 {
		in := slices.Contains(r.Namespaces, namespace)
		some = some && (in || namespace == "")
		all = all && in && namespace != ""
	}
	if len(r.Resources) == 0 {
		return some, some && all
	}
	named, whole := false, false
	for _, g := range r.Resources {
		if g.Group != resource.Group || len(g.Resources) > 0 && !slices.ContainsFunc(g.Resources, func(word string) bool { return names(word, resource.Resource, subresource) }) {
			continue
		}
		named, whole = true, whole || len(g.ResourceNames) == 0
	}
	return some && named, some && all && whole
}

// everybody reports whether the groups of a rule have every user.
func (r *rule) everybody() bool {
	return len(r.UserGroups) == 0 || slices.Contains(r.UserGroups, "system:authenticated") && slices.Contains(r.UserGroups, "system:unauthenticated")
}

// names reports whether a word of a rule means a resource: pods, pods/status,
// pods/*, */status, or *.
func names(word, resource, subresource string) bool {
	if word == "*" {
		return true
	}
	name, sub, has := strings.Cut(word, "/")
	switch {
	case !has:
		return subresource == "" && name == resource
	case subresource == "":
		return false
	}
	return (name == "*" || name == resource) && (sub == "*" || sub == subresource)
}
