package cause

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer"
)

// template returns the Pod template of a workload, nil for anything else. The
// types are those the analyzer reads, as an object is decoded only once.
func template(o *analyzer.Object) *corev1.PodTemplateSpec {
	switch o.Resource.Resource {
	case "deployments":
		return &analyzer.As[appsv1.Deployment](o).Spec.Template
	case "replicasets":
		return &analyzer.As[appsv1.ReplicaSet](o).Spec.Template
	case "statefulsets":
		return &analyzer.As[appsv1.StatefulSet](o).Spec.Template
	case "daemonsets":
		return &analyzer.As[appsv1.DaemonSet](o).Spec.Template
	case "jobs":
		return &analyzer.As[batchv1.Job](o).Spec.Template
	case "replicationcontrollers":
		return analyzer.As[corev1.ReplicationController](o).Spec.Template
	}
	return nil
}

func templateSpec(o *analyzer.Object) *corev1.PodSpec {
	if t := template(o); t != nil {
		return &t.Spec
	}
	return nil
}

func templateLabels(o *analyzer.Object) map[string]string {
	if t := template(o); t != nil {
		return t.Labels
	}
	return nil
}

// replicasOf returns how many Pods a workload is meant to have, -1 if its spec
// does not say.
func replicasOf(o *analyzer.Object) int {
	var n *int32
	switch o.Resource.Resource {
	case "deployments":
		n = analyzer.As[appsv1.Deployment](o).Spec.Replicas
	case "replicasets":
		n = analyzer.As[appsv1.ReplicaSet](o).Spec.Replicas
	case "statefulsets":
		n = analyzer.As[appsv1.StatefulSet](o).Spec.Replicas
	case "replicationcontrollers":
		n = analyzer.As[corev1.ReplicationController](o).Spec.Replicas
	default:
		return -1
	}
	if n == nil {
		return 1
	}
	return int(*n)
}
