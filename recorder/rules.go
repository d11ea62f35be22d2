package recorder

import (
	"maps"
	"slices"

	"github.com/svcspy/svcspy/store/kinds"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Rules returns the RBAC objects that let their subject record what the
// options say: a ClusterRole for the whole cluster and what lies in no
// namespace, and a Role in each namespace. They grant get, list and watch, and
// nothing else. No cluster is asked: a profile's own resources are known.
func Rules(o Options) ([]runtime.Object, error) {
	if _, err := profileFilter(o.Profile); err != nil {
		return nil, err
	}
	everything := []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: verbs}}
	if o.Profile == Full && len(o.namespaces()) == 0 && len(o.Subjects) == 0 {
		return []runtime.Object{clusterRole(everything)}, nil
	}
	known := o
	if o.Profile == Full {
		known.Profile = Standard // what else there is outside of the namespaces is not known here
	}
	targets, err := known.Targets(knownResources())
	if err != nil {
		return nil, err
	}
	byNamespace := map[string]map[string][]string{}
	for _, t := range targets {
		byGroup := byNamespace[t.Namespace]
		if byGroup == nil {
			byGroup = map[string][]string{}
			byNamespace[t.Namespace] = byGroup
		}
		byGroup[t.Resource.Group] = append(byGroup[t.Resource.Group], t.Resource.Resource)
	}
	var objects []runtime.Object
	for _, ns := range slices.Sorted(maps.Keys(byNamespace)) { // "" comes first
		granted := rules(byNamespace[ns])
		if o.LogLines > 0 && slices.Contains(byNamespace[ns][""], "pods") {
			granted = append(granted, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}})
		}
		switch {
		case ns == "":
			objects = append(objects, clusterRole(granted))
			continue
		case o.Profile == Full && slices.Contains(o.namespaces(), ns):
			granted = everything
		}
		objects = append(objects, &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: "svcspy-recorder", Namespace: ns},
			Rules:      granted,
		})
	}
	return objects, nil
}

var verbs = []string{"get", "list", "watch"}

func clusterRole(rules []rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: "svcspy-recorder"},
		Rules:      rules,
	}
}

// knownResources are the resources of the profiles, as a cluster would
// describe them. "*" stands for all of a group.
func knownResources() []metav1.APIResource {
	var list []metav1.APIResource
	for _, k := range kinds.All {
		if k.Profile != "" {
			list = append(list, metav1.APIResource{Group: k.Resource.Group, Name: k.Resource.Resource, Namespaced: !k.Cluster, Verbs: verbs})
		}
	}
	for _, group := range kinds.StandardGroups {
		list = append(list, metav1.APIResource{Group: group, Name: "*", Namespaced: true, Verbs: verbs})
	}
	return list
}

// rules returns the rules for resources by group, sorted.
func rules(byGroup map[string][]string) []rbacv1.PolicyRule {
	var granted []rbacv1.PolicyRule
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		slices.Sort(byGroup[group])
		granted = append(granted, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: byGroup[group], Verbs: verbs})
	}
	return granted
}
