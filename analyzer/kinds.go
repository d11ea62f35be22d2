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
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
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
		if ids := registry.Needing(g.kinds); len(ids) > 0 && len(ids) <= 3 {
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
		why = " (" + phrase.FirstWords(c.Reason, 80) + ")"
	}
	switch c.Status {
	case store.Forbidden:
		return "may not be read" + why
	case store.Listing:
		return "were still being listed"
	case store.Gap:
		return fmt.Sprintf("have not been received since the watch was interrupted at %s%s", phrase.Clock(c.Time, q.now), why)
	case store.Partial:
		return "were recorded only in part" + why
	case store.Current, store.Revisions:
		return "could not all be decoded"
	case store.Writes:
		return "are known only if they were written while the audit log ran" + why
	case store.Unseen:
		return fmt.Sprintf("were changed at %s, and the audit log does not say to what%s", phrase.Clock(c.Time, q.now), why)
	case store.Instant:
		return fmt.Sprintf("are as listed at %s%s", phrase.Clock(c.Time, q.now), why)
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

// kind is one Kubernetes kind the analyzer reads, with the type it is decoded to.
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

// readKinds are all kinds the analyzer reads, in the versions it understands: a
// view of the table of kinds.
var readKinds = []kind{
	kindFor[corev1.Service]("Service"),
	kindFor[corev1.Pod]("Pod"),
	kindFor[corev1.Node]("Node"),
	kindFor[corev1.Namespace]("Namespace"),
	kindFor[corev1.Event]("Event"),
	kindFor[endpointsV1]("Endpoints"),
	kindFor[corev1.ConfigMap]("ConfigMap"),
	kindFor[corev1.Secret]("Secret"),
	kindFor[corev1.PersistentVolumeClaim]("PersistentVolumeClaim"),
	kindFor[corev1.ResourceQuota]("ResourceQuota"),
	kindFor[corev1.ReplicationController]("ReplicationController"),
	kindFor[discoveryv1.EndpointSlice]("EndpointSlice"),
	kindFor[appsv1.Deployment]("Deployment"),
	kindFor[appsv1.ReplicaSet]("ReplicaSet"),
	kindFor[appsv1.StatefulSet]("StatefulSet"),
	kindFor[appsv1.DaemonSet]("DaemonSet"),
	kindFor[batchv1.Job]("Job"),
	kindFor[batchv1.CronJob]("CronJob"),
	kindFor[autoscalingv2.HorizontalPodAutoscaler]("HorizontalPodAutoscaler"),
	kindFor[policyv1.PodDisruptionBudget]("PodDisruptionBudget"),
	kindFor[networkingv1.NetworkPolicy]("NetworkPolicy"),
	kindFor[networkingv1.Ingress]("Ingress"),
	kindFor[networkingv1.IngressClass]("IngressClass"),
	kindFor[httpRoute]("HTTPRoute"),
	kindFor[grpcRoute]("GRPCRoute"),
	kindFor[gateway]("Gateway"),
	kindFor[referenceGrant]("ReferenceGrant"),
	kindFor[virtualService]("VirtualService"),
	kindFor[destinationRule]("DestinationRule"),
	kindFor[storagev1.StorageClass]("StorageClass"),
	kindFor[admissionv1.ValidatingWebhookConfiguration]("ValidatingWebhookConfiguration"),
	kindFor[admissionv1.MutatingWebhookConfiguration]("MutatingWebhookConfiguration"),
	kindFor[admissionv1.ValidatingAdmissionPolicy]("ValidatingAdmissionPolicy"),
	kindFor[admissionv1.ValidatingAdmissionPolicyBinding]("ValidatingAdmissionPolicyBinding"),
	kindFor[admissionv1.MutatingAdmissionPolicy]("MutatingAdmissionPolicy"),
	kindFor[admissionv1.MutatingAdmissionPolicyBinding]("MutatingAdmissionPolicyBinding"),
	kindFor[schedulingv1.PriorityClass]("PriorityClass"),
	kindFor[corev1.ServiceAccount]("ServiceAccount"),
	kindFor[corev1.LimitRange]("LimitRange"),
	kindFor[coordinationv1.Lease]("Lease"),
}

// kindFor panics where the table has no row of that name, which every test sees.
func kindFor[T any](name string) kind {
	k, ok := kinds.ByName(name)
	if !ok {
		panic("store/kinds has no " + name)
	}
	return kind{name: k.Name, plural: k.Plural, resource: k.Resource, cluster: k.Cluster, goType: reflect.TypeFor[T]()}
}

var (
	kindsByType     = map[reflect.Type]kind{}
	kindsByResource = map[schema.GroupResource]kind{}
	kindsByName     = map[string]kind{}
	_               = indexKinds()
)

func indexKinds() bool {
	for _, k := range readKinds {
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
