package snapshot

import (
	"path"
	"strings"
)

// kinds are those that dumps hold in files named after the plural.
var kinds = map[string][2]string{
	"pods": {"Pod", "v1"}, "services": {"Service", "v1"}, "nodes": {"Node", "v1"}, "namespaces": {"Namespace", "v1"}, "events": {"Event", "v1"},
	"endpoints": {"Endpoints", "v1"}, "configmaps": {"ConfigMap", "v1"}, "replicationcontrollers": {"ReplicationController", "v1"},
	"replication-controllers": {"ReplicationController", "v1"}, "persistentvolumeclaims": {"PersistentVolumeClaim", "v1"}, "pvcs": {"PersistentVolumeClaim", "v1"},
	"resourcequotas": {"ResourceQuota", "v1"}, "resource-quotas": {"ResourceQuota", "v1"}, "leases": {"Lease", "coordination.k8s.io/v1"},
	"deployments": {"Deployment", "apps/v1"}, "replicasets": {"ReplicaSet", "apps/v1"}, "statefulsets": {"StatefulSet", "apps/v1"}, "daemonsets": {"DaemonSet", "apps/v1"},
	"jobs": {"Job", "batch/v1"}, "cronjobs": {"CronJob", "batch/v1"}, "endpointslices": {"EndpointSlice", "discovery.k8s.io/v1"},
	"ingress": {"Ingress", "networking.k8s.io/v1"}, "ingresses": {"Ingress", "networking.k8s.io/v1"}, "ingress-classes": {"IngressClass", "networking.k8s.io/v1"},
	"network-policy": {"NetworkPolicy", "networking.k8s.io/v1"}, "networkpolicies": {"NetworkPolicy", "networking.k8s.io/v1"},
	"pod-disruption-budgets": {"PodDisruptionBudget", "policy/v1"}, "poddisruptionbudgets": {"PodDisruptionBudget", "policy/v1"},
	"horizontalpodautoscalers": {"HorizontalPodAutoscaler", "autoscaling/v2"}, "storage-classes": {"StorageClass", "storage.k8s.io/v1"}, "storageclasses": {"StorageClass", "storage.k8s.io/v1"},
}

// clusterWide are those of kinds whose objects have no namespace.
var clusterWide = map[string]bool{"nodes": true, "namespaces": true, "ingress-classes": true, "storage-classes": true, "storageclasses": true}

// split returns the folder and the name of a file without its ending.
func split(name string) (folder, base string) {
	base = path.Base(name)
	return path.Base(path.Dir(name)), strings.TrimSuffix(base, path.Ext(base))
}

// fromPath returns the kind that a file holds by its name: NS/pods.json of a
// cluster-info dump, cluster-resources/pods/NS.json of a support bundle.
func fromPath(name string) (kind, version string) {
	folder, base := split(name)
	for _, word := range []string{base, folder} {
		if k, known := kinds[word]; known {
			return k[0], k[1]
		}
	}
	return "", ""
}

// namespaceFromPath returns the namespace that a file is about by its name; ""
// is the cluster.
func namespaceFromPath(name string) (string, bool) {
	folder, base := split(name)
	above, _ := split(path.Dir(name)) // cluster-resources, or the namespace of must-gather
	switch {
	case clusterWide[base]:
		return "", true
	case kinds[base][0] != "" && above == "namespaces": // namespaces/NS/pods.yaml
		return folder, true
	case kinds[base][0] != "" && strings.Contains(name, "/namespaces/"): // namespaces/NS/core/pods.yaml
		return above, true
	case kinds[base][0] != "" && strings.Contains(name, "/"):
		return folder, true
	case kinds[folder][0] != "" && strings.Contains(name, "cluster-resources/"):
		return base, true
	}
	return "", false
}
