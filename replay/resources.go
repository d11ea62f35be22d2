package replay

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/kinds"
)

var (
	Pods           = resourceOf("Pod")
	Nodes          = resourceOf("Node")
	Namespaces     = resourceOf("Namespace")
	EndpointSlices = resourceOf("EndpointSlice")
)

// Workloads are what makes Pods, by kind as ownerReferences name it.
var Workloads = map[string]schema.GroupVersionResource{
	"Deployment":            resourceOf("Deployment"),
	"ReplicaSet":            resourceOf("ReplicaSet"),
	"StatefulSet":           resourceOf("StatefulSet"),
	"DaemonSet":             resourceOf("DaemonSet"),
	"Job":                   resourceOf("Job"),
	"ReplicationController": resourceOf("ReplicationController"),
}

var (
	KubernetesEvents    = resourceOf("Event")
	Leases              = resourceOf("Lease")
	ControllerRevisions = resourceOf("ControllerRevision")
)

// resourceOf panics where the table of kinds has no row of that name.
func resourceOf(kind string) schema.GroupVersionResource {
	k, ok := kinds.ByName(kind)
	if !ok {
		panic("store/kinds has no " + kind)
	}
	return k.Resource
}
