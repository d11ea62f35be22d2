package analyzer

import (
	"reflect"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is one Kubernetes kind the analyzer reads.
type kind struct {
	name     string // Service
	plural   string // Services, for sentences
	resource schema.GroupVersionResource
	cluster  bool // objects have no namespace
	goType   reflect.Type
}

// endpointsV1 is the old list of a Service's addresses. The control plane still
// writes it, and copies one made by hand into EndpointSlices.
//
//lint:ignore SA1019 deprecated, and still in every cluster
type endpointsV1 = corev1.Endpoints

// kinds are all kinds the analyzer reads, in the versions it understands.
var kinds = []kind{
	kindFor[corev1.Service]("Service", "Services", "", "v1", "services"),
	kindFor[corev1.Pod]("Pod", "Pods", "", "v1", "pods"),
	kindFor[corev1.Node]("Node", "Nodes", "", "v1", "nodes").clusterWide(),
	kindFor[corev1.Namespace]("Namespace", "Namespaces", "", "v1", "namespaces").clusterWide(),
	kindFor[corev1.Event]("Event", "Kubernetes Events", "", "v1", "events"),
	kindFor[endpointsV1]("Endpoints", "Endpoints", "", "v1", "endpoints"),
	kindFor[corev1.ConfigMap]("ConfigMap", "ConfigMaps", "", "v1", "configmaps"),
	kindFor[corev1.Secret]("Secret", "Secrets", "", "v1", "secrets"),
	kindFor[corev1.PersistentVolumeClaim]("PersistentVolumeClaim", "PersistentVolumeClaims", "", "v1", "persistentvolumeclaims"),
	kindFor[corev1.ResourceQuota]("ResourceQuota", "ResourceQuotas", "", "v1", "resourcequotas"),
	kindFor[corev1.ReplicationController]("ReplicationController", "ReplicationControllers", "", "v1", "replicationcontrollers"),
	kindFor[discoveryv1.EndpointSlice]("EndpointSlice", "EndpointSlices", "discovery.k8s.io", "v1", "endpointslices"),
	kindFor[appsv1.Deployment]("Deployment", "Deployments", "apps", "v1", "deployments"),
	kindFor[appsv1.ReplicaSet]("ReplicaSet", "ReplicaSets", "apps", "v1", "replicasets"),
	kindFor[appsv1.StatefulSet]("StatefulSet", "StatefulSets", "apps", "v1", "statefulsets"),
	kindFor[appsv1.DaemonSet]("DaemonSet", "DaemonSets", "apps", "v1", "daemonsets"),
	kindFor[batchv1.Job]("Job", "Jobs", "batch", "v1", "jobs"),
	kindFor[batchv1.CronJob]("CronJob", "CronJobs", "batch", "v1", "cronjobs"),
	kindFor[autoscalingv2.HorizontalPodAutoscaler]("HorizontalPodAutoscaler", "HorizontalPodAutoscalers", "autoscaling", "v2", "horizontalpodautoscalers"),
	kindFor[policyv1.PodDisruptionBudget]("PodDisruptionBudget", "PodDisruptionBudgets", "policy", "v1", "poddisruptionbudgets"),
	kindFor[networkingv1.NetworkPolicy]("NetworkPolicy", "NetworkPolicies", "networking.k8s.io", "v1", "networkpolicies"),
	kindFor[networkingv1.Ingress]("Ingress", "Ingresses", "networking.k8s.io", "v1", "ingresses"),
	kindFor[networkingv1.IngressClass]("IngressClass", "IngressClasses", "networking.k8s.io", "v1", "ingressclasses").clusterWide(),
	kindFor[httpRoute]("HTTPRoute", "HTTPRoutes", "gateway.networking.k8s.io", "v1", "httproutes"),
	kindFor[grpcRoute]("GRPCRoute", "GRPCRoutes", "gateway.networking.k8s.io", "v1", "grpcroutes"),
	kindFor[gateway]("Gateway", "Gateways", "gateway.networking.k8s.io", "v1", "gateways"),
	kindFor[referenceGrant]("ReferenceGrant", "ReferenceGrants", "gateway.networking.k8s.io", "v1beta1", "referencegrants"),
	kindFor[storagev1.StorageClass]("StorageClass", "StorageClasses", "storage.k8s.io", "v1", "storageclasses").clusterWide(),
	kindFor[admissionv1.ValidatingWebhookConfiguration]("ValidatingWebhookConfiguration", "ValidatingWebhookConfigurations", "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations").clusterWide(),
	kindFor[admissionv1.MutatingWebhookConfiguration]("MutatingWebhookConfiguration", "MutatingWebhookConfigurations", "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations").clusterWide(),
	kindFor[coordinationv1.Lease]("Lease", "Leases", "coordination.k8s.io", "v1", "leases"),
}

func kindFor[T any](name, plural, group, version, resource string) kind {
	return kind{
		name: name, plural: plural, goType: reflect.TypeFor[T](),
		resource: schema.GroupVersionResource{Group: group, Version: version, Resource: resource},
	}
}

func (k kind) clusterWide() kind {
	k.cluster = true
	return k
}

var (
	kindsByType     = map[reflect.Type]kind{}
	kindsByResource = map[schema.GroupResource]kind{}
	kindsByName     = map[string]kind{}
	_               = indexKinds()
)

func indexKinds() bool {
	for _, k := range kinds {
		kindsByType[k.goType] = k
		kindsByResource[k.resource.GroupResource()] = k
		kindsByName[k.name] = k
	}
	return true
}

// ResourceOf returns the resource whose objects are of a kind the analyzer
// reads, such as those of Diagnosis.Kinds.
func ResourceOf(kind string) (schema.GroupVersionResource, bool) {
	k, ok := kindsByName[kind]
	return k.resource, ok
}

// kindOf returns the kind whose objects are Ts.
func kindOf[T any]() kind { return kindsByType[reflect.TypeFor[T]()] }
