package recorder

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Rules returns the RBAC objects that let their subject record a profile: one
// ClusterRole for the whole cluster, or, with namespaces, a Role in each of
// them and a ClusterRole for what lies in no namespace. They grant get, list
// and watch, and nothing else.
func Rules(profile string, namespaces []string) ([]runtime.Object, error) {
	if _, err := profileFilter(profile); err != nil {
		return nil, err
	}
	if len(namespaces) == 0 {
		return []runtime.Object{clusterRole(rules(profile, nil))}, nil
	}
	across := profile
	if across == Full {
		across = Standard // what else lies in no namespace is not known here
	}
	objects := []runtime.Object{clusterRole(rules(across, func(group, name string) bool { return clusterScoped[group+"/"+name] }))}
	for _, ns := range namespaces {
		objects = append(objects, &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: "svcspy-recorder", Namespace: ns},
			Rules:      rules(profile, func(group, name string) bool { return !clusterScoped[group+"/"+name] }),
		})
	}
	return objects, nil
}

func clusterRole(rules []rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: "svcspy-recorder"},
		Rules:      rules,
	}
}

// clusterScoped are those resources of the profiles that lie in no namespace,
// known without a cluster to ask.
var clusterScoped = map[string]bool{
	"/namespaces": true, "/nodes": true, "/persistentvolumes": true,
	"admissionregistration.k8s.io/mutatingwebhookconfigurations":     true,
	"admissionregistration.k8s.io/validatingadmissionpolicies":       true,
	"admissionregistration.k8s.io/validatingadmissionpolicybindings": true,
	"admissionregistration.k8s.io/validatingwebhookconfigurations":   true,
	"networking.k8s.io/ingressclasses":                               true,
	"scheduling.k8s.io/priorityclasses":                              true,
	"storage.k8s.io/storageclasses":                                  true,
	"storage.k8s.io/volumeattachments":                               true,
}

// rules returns the rules for the resources of a profile that keep accepts
// (nil: all), sorted.
func rules(profile string, keep func(group, name string) bool) []rbacv1.PolicyRule {
	verbs := []string{"get", "list", "watch"}
	if profile == Full {
		return []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: verbs}}
	}
	byGroup := map[string][]string{}
	for _, name := range []string{Minimal, Standard} {
		for group, resources := range profiles[name] {
			for _, r := range resources {
				if keep == nil || keep(group, r) {
					byGroup[group] = append(byGroup[group], r)
				}
			}
		}
		if name == profile {
			break
		}
	}
	var granted []rbacv1.PolicyRule
	for group, resources := range byGroup {
		slices.Sort(resources)
		granted = append(granted, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs})
	}
	slices.SortFunc(granted, func(a, b rbacv1.PolicyRule) int { return slices.Compare(a.APIGroups, b.APIGroups) })
	return granted
}
