package kube

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// WantsNode reports whether a Pod may run on a Node by its node selector and its required
// node affinity (k8s.io/component-helpers/scheduling/corev1/nodeaffinity,
// GetRequiredNodeAffinity). Taints are another matter: see [Tolerates].
func WantsNode(spec *corev1.PodSpec, node *corev1.Node) bool {
	for key, value := range spec.NodeSelector {
		if have, ok := node.Labels[key]; !ok || have != value {
			return false
		}
	}
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return true
	}
	// Of several terms one is enough; a term that asks for nothing matches nothing.
	return slices.ContainsFunc(spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms, func(t corev1.NodeSelectorTerm) bool {
		fields := map[string]string{"metadata.name": node.Name}
		return len(t.MatchExpressions)+len(t.MatchFields) > 0 && allMet(t.MatchExpressions, node.Labels) && allMet(t.MatchFields, fields)
	})
}

func allMet(all []corev1.NodeSelectorRequirement, labels map[string]string) bool {
	return !slices.ContainsFunc(all, func(r corev1.NodeSelectorRequirement) bool { return !met(&r, labels) })
}

func met(r *corev1.NodeSelectorRequirement, labels map[string]string) bool {
	value, has := labels[r.Key]
	switch r.Operator {
	case corev1.NodeSelectorOpIn:
		return has && slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpNotIn:
		return !has || !slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpExists:
		return has
	case corev1.NodeSelectorOpDoesNotExist:
		return !has
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		if !has || len(r.Values) != 1 {
			return false
		}
		is, err := strconv.ParseInt(value, 10, 64)
		bound, errBound := strconv.ParseInt(r.Values[0], 10, 64)
		if err != nil || errBound != nil {
			return false
		}
		return r.Operator == corev1.NodeSelectorOpGt && is > bound || r.Operator == corev1.NodeSelectorOpLt && is < bound
	}
	return false
}
