package analyzer

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// selectable: the EndpointSlice controller looks for Pods. An empty selector
// is the same as none: the Service is not managed.
func selectable(s *corev1.Service) bool {
	return s.Spec.Type != corev1.ServiceTypeExternalName && len(s.Spec.Selector) > 0
}

// matches: every pair of the selector is among the labels. An empty selector
// matches nothing.
func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return len(selector) > 0
}

// pairs prints labels as kubectl takes them: a=b,c=d, sorted.
func pairs(labels map[string]string) string {
	list := make([]string, 0, len(labels))
	for k, v := range labels {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}
