// Package kinds is the one table of the Kubernetes kinds that svcspy knows by
// name: what they are called, and how the recorder treats them. All has it, a Kind
// is one row; ByName and ByResource find one. Who needs a list of kinds filters
// All, so that a new kind is one row here.
package kinds

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is a kind of objects.
type Kind struct {
	Name     string // Pod
	Plural   string // Pods, in sentences
	Resource schema.GroupVersionResource
	Cluster  bool    // objects lie in no namespace
	Profile  Profile // the smallest profile that records it
	Labelled bool    // objects carry the labels of an application: record -l selects among them
	Closure  Closure // where it is recorded for the sake of one subject
}

// Profile says how much is recorded.
type Profile string

// The profiles that name kinds. A kind without one is recorded with its group
// (StandardGroups), or with profile full.
const (
	Minimal  Profile = "minimal"  // what a Service's verdict needs
	Standard Profile = "standard" // what any diagnosis reads; adds to Minimal
)

// StandardGroups are recorded as a whole by profile standard, with kinds that
// are not in the table.
var StandardGroups = []string{"gateway.networking.k8s.io", "networking.istio.io"}

// Closure says where a kind is recorded, besides the namespace of a subject, for
// the sake of that subject.
type Closure uint8

const (
	// Referred lies in no namespace and is what Pods, volumes and ways in refer to, or
	// the error of a refused Pod names.
	Referred Closure = 1 << iota
	// System is what cluster DNS and kube-proxy consist of: recorded in kube-system.
	System
	// Wide has names or addresses that are the whole cluster's.
	Wide
	// Node is what runs on a Node, from all namespaces.
	Node
)

// Has reports whether the closure has all of another.
func (c Closure) Has(other Closure) bool { return c&other == other }

// All is the table. Its order has no meaning.
var All = []Kind{
	{Name: "Service", Plural: "Services", Resource: gvr("", "v1", "services"), Profile: Minimal, Closure: System | Wide | Node},
	{Name: "Pod", Plural: "Pods", Resource: gvr("", "v1", "pods"), Profile: Minimal, Labelled: true, Closure: System | Node},
	{Name: "Node", Plural: "Nodes", Resource: gvr("", "v1", "nodes"), Cluster: true, Profile: Minimal, Closure: Referred},
	{Name: "Namespace", Plural: "Namespaces", Resource: gvr("", "v1", "namespaces"), Cluster: true, Profile: Minimal, Closure: Referred},
	{Name: "Event", Plural: "Kubernetes Events", Resource: gvr("", "v1", "events"), Profile: Minimal, Closure: System | Node},
	{Name: "EndpointSlice", Plural: "EndpointSlices", Resource: gvr("discovery.k8s.io", "v1", "endpointslices"), Profile: Minimal, Closure: System | Node},
	{Name: "Deployment", Plural: "Deployments", Resource: gvr("apps", "v1", "deployments"), Profile: Minimal, Labelled: true, Closure: System | Node},
	{Name: "ReplicaSet", Plural: "ReplicaSets", Resource: gvr("apps", "v1", "replicasets"), Profile: Minimal, Labelled: true, Closure: System | Node},
	{Name: "ConfigMap", Plural: "ConfigMaps", Resource: gvr("", "v1", "configmaps"), Profile: Standard, Labelled: true, Closure: System},
	{Name: "Endpoints", Plural: "Endpoints", Resource: gvr("", "v1", "endpoints"), Profile: Standard},
	{Name: "LimitRange", Plural: "LimitRanges", Resource: gvr("", "v1", "limitranges"), Profile: Standard},
	{Name: "PersistentVolumeClaim", Plural: "PersistentVolumeClaims", Resource: gvr("", "v1", "persistentvolumeclaims"), Profile: Standard, Labelled: true},
	{Name: "PersistentVolume", Plural: "PersistentVolumes", Resource: gvr("", "v1", "persistentvolumes"), Cluster: true, Profile: Standard, Closure: Referred},
	{Name: "ReplicationController", Plural: "ReplicationControllers", Resource: gvr("", "v1", "replicationcontrollers"), Profile: Standard, Labelled: true},
	{Name: "ResourceQuota", Plural: "ResourceQuotas", Resource: gvr("", "v1", "resourcequotas"), Profile: Standard},
	{Name: "Secret", Plural: "Secrets", Resource: gvr("", "v1", "secrets"), Profile: Standard, Labelled: true},
	{Name: "ServiceAccount", Plural: "ServiceAccounts", Resource: gvr("", "v1", "serviceaccounts"), Profile: Standard},
	{Name: "MutatingWebhookConfiguration", Plural: "MutatingWebhookConfigurations", Resource: gvr("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"), Cluster: true, Profile: Standard},
	{Name: "MutatingAdmissionPolicy", Plural: "MutatingAdmissionPolicies", Resource: gvr("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies"), Cluster: true, Profile: Standard},
	{Name: "MutatingAdmissionPolicyBinding", Plural: "MutatingAdmissionPolicyBindings", Resource: gvr("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings"), Cluster: true, Profile: Standard},
	{Name: "ValidatingAdmissionPolicy", Plural: "ValidatingAdmissionPolicies", Resource: gvr("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"), Cluster: true, Profile: Standard, Closure: Referred},
	{Name: "ValidatingAdmissionPolicyBinding", Plural: "ValidatingAdmissionPolicyBindings", Resource: gvr("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings"), Cluster: true, Profile: Standard, Closure: Referred},
	{Name: "ValidatingWebhookConfiguration", Plural: "ValidatingWebhookConfigurations", Resource: gvr("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"), Cluster: true, Profile: Standard},
	{Name: "ControllerRevision", Plural: "ControllerRevisions", Resource: gvr("apps", "v1", "controllerrevisions"), Profile: Standard, Labelled: true},
	{Name: "DaemonSet", Plural: "DaemonSets", Resource: gvr("apps", "v1", "daemonsets"), Profile: Standard, Labelled: true, Closure: System | Node},
	{Name: "StatefulSet", Plural: "StatefulSets", Resource: gvr("apps", "v1", "statefulsets"), Profile: Standard, Labelled: true, Closure: Node},
	{Name: "HorizontalPodAutoscaler", Plural: "HorizontalPodAutoscalers", Resource: gvr("autoscaling", "v2", "horizontalpodautoscalers"), Profile: Standard},
	{Name: "CronJob", Plural: "CronJobs", Resource: gvr("batch", "v1", "cronjobs"), Profile: Standard, Labelled: true},
	{Name: "Job", Plural: "Jobs", Resource: gvr("batch", "v1", "jobs"), Profile: Standard, Labelled: true},
	{Name: "Lease", Plural: "Leases", Resource: gvr("coordination.k8s.io", "v1", "leases"), Profile: Standard},
	{Name: "HTTPRoute", Plural: "HTTPRoutes", Resource: gvr("gateway.networking.k8s.io", "v1", "httproutes")},
	{Name: "GRPCRoute", Plural: "GRPCRoutes", Resource: gvr("gateway.networking.k8s.io", "v1", "grpcroutes")},
	{Name: "Gateway", Plural: "Gateways", Resource: gvr("gateway.networking.k8s.io", "v1", "gateways")},
	{Name: "GatewayClass", Plural: "GatewayClasses", Resource: gvr("gateway.networking.k8s.io", "v1", "gatewayclasses"), Cluster: true, Closure: Referred},
	{Name: "ReferenceGrant", Plural: "ReferenceGrants", Resource: gvr("gateway.networking.k8s.io", "v1beta1", "referencegrants")},
	{Name: "VirtualService", Plural: "VirtualServices", Resource: gvr("networking.istio.io", "v1", "virtualservices")},
	{Name: "DestinationRule", Plural: "DestinationRules", Resource: gvr("networking.istio.io", "v1", "destinationrules")},
	{Name: "IngressClass", Plural: "IngressClasses", Resource: gvr("networking.k8s.io", "v1", "ingressclasses"), Cluster: true, Profile: Standard, Closure: Referred},
	{Name: "Ingress", Plural: "Ingresses", Resource: gvr("networking.k8s.io", "v1", "ingresses"), Profile: Standard},
	{Name: "NetworkPolicy", Plural: "NetworkPolicies", Resource: gvr("networking.k8s.io", "v1", "networkpolicies"), Profile: Standard},
	{Name: "PodDisruptionBudget", Plural: "PodDisruptionBudgets", Resource: gvr("policy", "v1", "poddisruptionbudgets"), Profile: Standard},
	{Name: "PriorityClass", Plural: "PriorityClasses", Resource: gvr("scheduling.k8s.io", "v1", "priorityclasses"), Cluster: true, Profile: Standard},
	{Name: "StorageClass", Plural: "StorageClasses", Resource: gvr("storage.k8s.io", "v1", "storageclasses"), Cluster: true, Profile: Standard, Closure: Referred},
	{Name: "VolumeAttachment", Plural: "VolumeAttachments", Resource: gvr("storage.k8s.io", "v1", "volumeattachments"), Cluster: true, Profile: Standard},
}

// Of returns the resource of a kind as an owner reference names it, and whether
// its objects lie in no namespace. Of a kind that the table has not, the resource
// is guessed as Kubernetes does (UnsafeGuessKindToResource in k8s.io/apimachinery).
func Of(apiVersion, kind string) (resource schema.GroupVersionResource, cluster bool) {
	group := schema.FromAPIVersionAndKind(apiVersion, kind).GroupVersion()
	if k, ok := byName[kind]; ok && k.Resource.Group == group.Group {
		return k.Resource, k.Cluster
	}
	name := strings.ToLower(kind)
	switch {
	case strings.HasSuffix(name, "s"):
		name += "es"
	case strings.HasSuffix(name, "y"):
		name = strings.TrimSuffix(name, "y") + "ies"
	default:
		name += "s"
	}
	return group.WithResource(name), false
}

func gvr(group, version, resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
}

var (
	byName     = map[string]*Kind{}
	byResource = map[schema.GroupResource]*Kind{}
	_          = find()
)

func find() bool {
	for i := range All {
		byName[All[i].Name] = &All[i]
		byResource[All[i].Resource.GroupResource()] = &All[i]
	}
	return true
}

// ByName returns the kind of that name; ok is false if the table has none.
func ByName(name string) (k Kind, ok bool) {
	if found := byName[name]; found != nil {
		return *found, true
	}
	return Kind{}, false
}

// ByResource returns the kind of a resource; ok is false if the table has none.
func ByResource(r schema.GroupResource) (k Kind, ok bool) {
	if found := byResource[r]; found != nil {
		return *found, true
	}
	return Kind{}, false
}
