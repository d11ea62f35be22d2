package replay

import (
	"strings"

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

// Supplementary reports whether a resource only adds a doubt to an answer where it
// was recorded, such as the Leases that Nodes renew: without it the answer is what
// it would be if it were not looked at, so that is no gap in what it rests on.
func Supplementary(resource schema.GroupVersionResource, namespace string) bool {
	return resource == kinds.ContainerLogs ||
		resource.GroupResource() == Leases.GroupResource() && namespace == "kube-node-lease" ||
		resource.Group == "admissionregistration.k8s.io" && strings.HasPrefix(resource.Resource, "mutatingadmissionpolic") // only named beside a cause
}

// resourceOf panics where the table of kinds has no row of that name.
func resourceOf(kind string) schema.GroupVersionResource {
	k, ok := kinds.ByName(kind)
	if !ok {
		panic("store/kinds has no " + kind)
	}
	return k.Resource
}
