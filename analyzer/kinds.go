package analyzer

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

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

	"github.com/svcspy/svcspy/store"
)

// maxNamed is how many kinds, and consequences, one sentence names.
const maxNamed = 3

// blindness is what cannot be told without a kind. The order is that of the
// sentences in a report.
type blindness struct {
	kinds []string
	lost  string
	// minor: it only matters where something is wrong.
	minor bool
}

var blindnesses = []blindness{
	{[]string{"Service"}, "which Services there are is not known", false},
	{[]string{"EndpointSlice"}, "what proxies send to is not known", false},
	{[]string{"Pod"}, "why endpoints are missing is not known", false},
	{[]string{"Node"}, "node problems cannot be told apart from Pod problems", false},
	{[]string{"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"}, "how many Pods there should be is not known for certain", false},
	{[]string{"Namespace"}, "whether the Namespace is being deleted was not checked", true},
	{[]string{"NetworkPolicy"}, "policies were not checked", false},
	{[]string{"Ingress", "IngressClass"}, "the way through Ingresses was not checked", false},
	{[]string{"Gateway", "ReferenceGrant"}, "the way through Gateways was not checked", false},
	{[]string{"Event"}, "reasons that only Kubernetes Events tell are missing", true},
	{[]string{"Endpoints"}, "Endpoints made by hand were not checked", true},
	{[]string{"ConfigMap", "Secret"}, "changes of configuration were not checked", true},
	{[]string{"PersistentVolumeClaim", "StorageClass"}, "volumes were not checked", true},
	{[]string{"HorizontalPodAutoscaler"}, "autoscalers were not checked", true},
	{[]string{"PodDisruptionBudget"}, "disruption budgets were not checked", true},
	{[]string{"ResourceQuota"}, "quotas were not checked", true},
	{[]string{"Lease"}, "whether the controllers run was not checked", true},
}

// systemBlindness is what cannot be told without kube-system.
var systemBlindness = map[string]string{
	"Service": "cluster DNS was not checked", "EndpointSlice": "cluster DNS was not checked",
	"Pod": "kube-proxy and cluster DNS were not checked", "DaemonSet": "kube-proxy was not checked",
}

// undecided says in a sentence for each reason what was looked at and not
// covered, and what nobody can tell therefore. Of what only serves to explain
// a fault, it is silent while there is none.
func (q *inquiry) undecided(a *answer) []string {
	type gap struct{ names, kinds, lost []string }
	gaps := map[string]*gap{} // by reason
	var order []string
	for _, b := range blindnesses {
		for _, kind := range b.kinds {
			for _, s := range q.holes(kind) {
				lost, name := b.lost, kindsByName[kind].plural
				system := s.namespace == "kube-system" && a.subject.Namespace != "kube-system"
				switch {
				case system && systemBlindness[kind] == "", !system && b.minor && (a.state == Serving || a.state == NotSelected):
					continue
				case system:
					lost, name = systemBlindness[kind], name+" of kube-system"
				case s.namespace != "" && s.namespace != a.subject.Namespace:
					name += " of " + s.namespace
				}
				why := q.hole(kindsByName[kind], s.namespace)
				g := gaps[why]
				if g == nil {
					g = &gap{}
					gaps[why] = g
					order = append(order, why)
				}
				g.names, g.kinds, g.lost = appendNew(g.names, name), appendNew(g.kinds, kind), appendNew(g.lost, lost)
			}
		}
	}
	sentences := []string{}
	for _, why := range order {
		g := gaps[why]
		if n := len(g.names); n > maxNamed+1 {
			g.names = append(g.names[:maxNamed:maxNamed], fmt.Sprintf("%d more kinds", n-maxNamed))
		}
		sentence := fmt.Sprintf("%s %s: %s", joined(g.names), why, strings.Join(g.lost[:min(len(g.lost), maxNamed)], "; "))
		if ids := needing(g.kinds); len(ids) > 0 && len(ids) <= 3 {
			sentence += " (" + strings.Join(ids, ", ") + ")"
		}
		sentences = append(sentences, sentence)
	}
	return sentences
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// holes lists the scopes of a kind of which something was asked that is not proven.
func (q *inquiry) holes(kind string) []scope {
	var found []scope
	for s, p := range q.looked {
		if p.hole && s.kind == kind {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b scope) int { return cmp.Compare(a.namespace, b.namespace) })
	return found
}

// hole says why a kind is not covered.
func (q *inquiry) hole(k kind, namespace string) string {
	c := q.view.Coverage(k.resource, namespace)
	why := ""
	if c.Reason != "" {
		why = " (" + firstWords(c.Reason, 80) + ")"
	}
	switch c.Status {
	case store.Forbidden:
		return "may not be read" + why
	case store.Listing:
		return "were still being listed"
	case store.Gap:
		return fmt.Sprintf("are as last heard, as the watch was interrupted at %s%s", clock(c.Time, q.now), why)
	case store.Partial:
		return "were recorded only in part" + why
	case store.Current, store.Revisions:
		return "could not all be decoded"
	case store.Writes:
		return "are known only if they were written while the audit log ran" + why
	case store.Unseen:
		return fmt.Sprintf("were changed at %s, and the audit log does not say to what%s", clock(c.Time, q.now), why)
	case store.Instant:
		return fmt.Sprintf("are as listed at %s%s", clock(c.Time, q.now), why)
	case store.Derived:
		return "were not recorded, only what other objects tell of them" + why
	}
	return "were not recorded" + why
}

// joined is "a, b and c".
func joined(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

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
