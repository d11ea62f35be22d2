package kube

import (
	corev1 "k8s.io/api/core/v1"
)

// Selectable: the EndpointSlice controller looks for Pods. An empty selector
// is the same as none: the Service is not managed.
func Selectable(s *corev1.Service) bool {
	return s.Spec.Type != corev1.ServiceTypeExternalName && len(s.Spec.Selector) > 0
}

// Matches: every pair of the selector is among the labels. An empty selector
// Matches nothing.
func Matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return len(selector) > 0
}
