package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is wanted of a Node, as the scheduler and the DaemonSet controller ask.
func TestWantsNode(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"role": "agent", "size": "8"}}}
	expression := func(key string, op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: op, Values: values}}}
	}
	field := func(name string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{name}}}}
	}
	for _, tt := range []struct {
		name     string
		selector map[string]string
		terms    []corev1.NodeSelectorTerm
		want     bool
	}{
		{"nothing", nil, nil, true},
		{"a label", map[string]string{"role": "agent"}, nil, true},
		{"another value", map[string]string{"role": "gateway"}, nil, false},
		{"a label it has not", map[string]string{"zone": ""}, nil, false},
		{"the name", nil, []corev1.NodeSelectorTerm{field("n1")}, true},
		{"another name", nil, []corev1.NodeSelectorTerm{field("n2")}, false},
		{"one of two terms", nil, []corev1.NodeSelectorTerm{field("n2"), expression("role", corev1.NodeSelectorOpExists)}, true},
		{"a term that asks for nothing", nil, []corev1.NodeSelectorTerm{{}}, false},
		{"in", nil, []corev1.NodeSelectorTerm{expression("role", corev1.NodeSelectorOpIn, "a", "agent")}, true},
		{"not in, without the label", nil, []corev1.NodeSelectorTerm{expression("zone", corev1.NodeSelectorOpNotIn, "a")}, true},
		{"not in", nil, []corev1.NodeSelectorTerm{expression("role", corev1.NodeSelectorOpNotIn, "agent")}, false},
		{"not there", nil, []corev1.NodeSelectorTerm{expression("role", corev1.NodeSelectorOpDoesNotExist)}, false},
		{"more", nil, []corev1.NodeSelectorTerm{expression("size", corev1.NodeSelectorOpGt, "4")}, true},
		{"less", nil, []corev1.NodeSelectorTerm{expression("size", corev1.NodeSelectorOpLt, "8")}, false},
		{"no number", nil, []corev1.NodeSelectorTerm{expression("role", corev1.NodeSelectorOpGt, "4")}, false},
		{"a selector and an affinity", map[string]string{"role": "agent"}, []corev1.NodeSelectorTerm{field("n2")}, false},
	} {
		spec := &corev1.PodSpec{NodeSelector: tt.selector}
		if tt.terms != nil {
			spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: tt.terms}}}
		}
		if got := WantsNode(spec, node); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
