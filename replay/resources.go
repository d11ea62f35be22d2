package replay

import "k8s.io/apimachinery/pkg/runtime/schema"

var (
	podResource       = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodeResource      = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	namespaceResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	sliceResource     = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
)

// workloads are what makes Pods, by kind as ownerReferences name it.
var workloads = map[string]schema.GroupVersionResource{
	"Deployment":            {Group: "apps", Version: "v1", Resource: "deployments"},
	"ReplicaSet":            {Group: "apps", Version: "v1", Resource: "replicasets"},
	"StatefulSet":           {Group: "apps", Version: "v1", Resource: "statefulsets"},
	"DaemonSet":             {Group: "apps", Version: "v1", Resource: "daemonsets"},
	"Job":                   {Group: "batch", Version: "v1", Resource: "jobs"},
	"ReplicationController": {Version: "v1", Resource: "replicationcontrollers"},
}

var (
	eventResource    = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	leaseResource    = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	revisionResource = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "controllerrevisions"}
)
