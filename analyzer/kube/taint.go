package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Tolerates reports whether one of the tolerations covers the taint
// (k8s.io/api/core/v1, Toleration.ToleratesTaint, without the comparisons of
// numbers that are off by default).
func Tolerates(tolerations []corev1.Toleration, taint *corev1.Taint) bool {
	return slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool {
		if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
			return false
		}
		switch t.Operator {
		case corev1.TolerationOpExists:
			return true
		case "", corev1.TolerationOpEqual:
			return t.Key != "" && t.Value == taint.Value
		}
		return false
	})
}
