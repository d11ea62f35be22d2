package cause

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// neighbours are kinds of which every object in the subject's namespace can
// matter to it.
var neighbours = []schema.GroupVersionResource{
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"},
	{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"},
	{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	{Version: "v1", Resource: "resourcequotas"},
	{Version: "v1", Resource: "limitranges"},
}

const (
	maxPods     = 256 // Pods whose past is looked at
	maxVersions = 64  // versions of one object looked at
)

// Relations is everything that can matter to a subject: what it refers to, what
// refers to it, and what that refers to, by name.
type Relations struct {
	State *replay.State
	Refs  []store.Ref
	seen  map[store.Ref]bool
	Pods  map[types.UID]*corev1.Pod // last known version of each
	names map[types.UID]store.Ref   // of the Pods
	tops  map[store.Ref]store.Ref   // what was found by top
	// preempted are workloads whose Pods the scheduler put in the place of others
	// of the reach.
	preempted map[store.Ref]bool
	// owning are objects without Pods of their own that own others of the reach.
	owning map[store.Ref]types.UID
	// remade says that new Pods of the reach are refused or rewritten: what a
	// restart brought about follows from it by rule.
	remade bool
}

// RelationsOf collects what can matter to the subject at the state's instant, or
// did earlier.
func RelationsOf(s *replay.State, subject store.Ref) *Relations {
	r := &Relations{
		State: s, seen: map[store.Ref]bool{},
		Pods: map[types.UID]*corev1.Pod{}, names: map[types.UID]store.Ref{}, tops: map[store.Ref]store.Ref{}, preempted: map[store.Ref]bool{}, owning: map[store.Ref]types.UID{},
	}
	switch subject.Resource.Resource { // the subject comes first, and is followed as any other of its kind
	case "services":
		r.service(subject)
	case "pods":
		r.pod(subject)
	case "nodes":
		r.add(subject)
		for _, o := range s.List(store.Query{Resource: replay.Pods}) {
			if p := analyzer.As[corev1.Pod](o); p.Spec.NodeName == subject.Name {
				r.pod(o.Ref())
			}
		}
	case "ingresses":
		r.add(subject)
		for _, o := range s.List(store.Query{Resource: replay.Services, Namespace: subject.Namespace}) {
			r.service(o.Ref())
		}
	case "httproutes", "grpcroutes":
		r.route(subject)
	default:
		r.workload(subject)
		for _, o := range s.List(store.Query{Resource: replay.Services, Namespace: subject.Namespace}) {
			if selector := analyzer.As[corev1.Service](o).Spec.Selector; len(selector) > 0 && r.selectsAny(selector) {
				r.service(o.Ref())
			}
		}
	}
	if subject.Namespace != "" {
		r.add(store.Ref{Resource: replay.Namespaces, Name: subject.Namespace})
		for _, resource := range neighbours {
			r.everIn(resource, subject.Namespace)
		}
	}
	r.everIn(replay.Nodes, "")
	r.preemptors()
	return r
}

func (r *Relations) add(ref store.Ref) bool {
	if ref.Name == "" || r.seen[ref] {
		return false
	}
	r.seen[ref] = true
	r.Refs = append(r.Refs, ref)
	return true
}

// everIn adds all objects of a kind in a namespace, also those that are gone.
func (r *Relations) everIn(resource schema.GroupVersionResource, namespace string) {
	for _, o := range r.State.List(store.Query{Resource: resource, Namespace: namespace}) {
		r.add(o.Ref())
	}
	seqs, err := r.State.Timeline().Touched(store.Query{Resource: resource, Namespace: namespace}, 1, r.State.Seq())
	r.State.Note(err)
	if len(seqs) > maxPods*maxVersions { // heartbeats of a large cluster: what exists is enough
		return
	}
	for _, seq := range seqs {
		if e, err := r.State.Timeline().Event(seq); err == nil && e.IsObject() {
			r.add(e.Ref())
		}
	}
}

// grants are the resources of ReferenceGrants, which permit routes of other namespaces.
var grants, _ = kinds.ByName("ReferenceGrant")

// route follows a route of the Gateway API: what takes it, the Services it leads to, and
// the grants of their namespaces.
func (r *Relations) route(ref store.Ref) {
	r.add(ref)
	n := 0
	for o := range r.State.Past(ref) {
		if n++; n > maxVersions {
			break
		}
		services, gateways := analyzer.RouteRefs(o)
		for _, g := range gateways {
			r.add(g)
		}
		for _, s := range services {
			if s.Namespace != ref.Namespace {
				r.everIn(grants.Resource, s.Namespace)
			}
			if !r.seen[s] {
				r.service(s)
			}
		}
	}
}

// service follows a Service: its present and former Pods, what makes them, and
// the workloads it was meant for.
func (r *Relations) service(ref store.Ref) {
	r.add(ref)
	n := 0
	for o := range r.State.Past(ref) {
		if n++; n > maxVersions {
			break
		}
		r.owners(ref.Namespace, analyzer.As[corev1.Service](o).OwnerReferences)
		spec := &analyzer.As[corev1.Service](o).Spec
		if name, namespace, ok := aliased(spec); ok && !r.seen[store.Ref{Resource: replay.Services, Namespace: namespace, Name: name}] {
			r.service(store.Ref{Resource: replay.Services, Namespace: namespace, Name: name})
		}
		selector := spec.Selector
		if len(selector) == 0 {
			continue
		}
		for _, p := range r.State.List(store.Query{Resource: replay.Pods, Namespace: ref.Namespace, Labels: selector}) {
			r.pod(p.Ref())
		}
		for kind, resource := range replay.Workloads {
			if kind == "ReplicaSet" || kind == "Job" {
				continue
			}
			for _, w := range r.past(resource, ref.Namespace) {
				if selects(selector, templateLabels(w)) {
					r.workload(w.Ref())
				}
			}
		}
	}
	if o := r.lastOf(ref); o != nil && len(analyzer.As[corev1.Service](o).Spec.Selector) == 0 {
		r.add(store.Ref{Resource: endpoints, Namespace: ref.Namespace, Name: ref.Name}) // they are mirrored
	}
	for _, sl := range r.past(replay.EndpointSlices, ref.Namespace) {
		if m := analyzer.As[discoveryv1.EndpointSlice](sl); m.Labels[discoveryv1.LabelServiceName] != ref.Name {
			continue
		}
		r.add(sl.Ref())
		n := 0
		for old := range r.State.Past(sl.Ref()) {
			if n++; n > maxVersions {
				break
			}
			for _, e := range analyzer.As[discoveryv1.EndpointSlice](old).Endpoints {
				if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
					r.pod(store.Ref{Resource: replay.Pods, Namespace: ref.Namespace, Name: e.TargetRef.Name})
				}
			}
		}
	}
}

var endpoints = schema.GroupVersionResource{Version: "v1", Resource: "endpoints"}

// lastOf returns the last version of an object, nil if there was none.
func (r *Relations) lastOf(ref store.Ref) *analyzer.Object {
	for o := range r.State.Past(ref) {
		return o
	}
	return nil
}

// aliased returns the Service of the cluster that another is an alias of.
func aliased(spec *corev1.ServiceSpec) (name, namespace string, ok bool) {
	if spec.Type != corev1.ServiceTypeExternalName {
		return "", "", false
	}
	labels := strings.Split(strings.TrimSuffix(spec.ExternalName, "."), ".")
	if len(labels) < 3 || labels[2] != "svc" {
		return "", "", false
	}
	return labels[0], labels[1], true
}

// past returns the last version of every object of a kind in a namespace that
// exists, or existed and can be found.
func (r *Relations) past(resource schema.GroupVersionResource, namespace string) []*analyzer.Object {
	list := r.State.List(store.Query{Resource: resource, Namespace: namespace})
	seqs, err := r.State.Timeline().Touched(store.Query{Resource: resource, Namespace: namespace}, 1, r.State.Seq())
	r.State.Note(err)
	known := map[store.Ref]bool{}
	for _, o := range list {
		known[o.Ref()] = true
	}
	for _, seq := range slices.Backward(seqs) {
		if o, err := r.State.Version(seq); err == nil && o.IsObject() && !known[o.Ref()] {
			known[o.Ref()] = true
			list = append(list, o)
		}
		if len(known) > maxPods {
			break
		}
	}
	return list
}

// pod follows a Pod: its owners, its node, and what its containers need.
func (r *Relations) pod(ref store.Ref) {
	if len(r.Pods) >= maxPods || !r.add(ref) {
		return
	}
	for o := range r.State.Past(ref) {
		p := analyzer.As[corev1.Pod](o)
		if _, known := r.Pods[p.UID]; known {
			continue
		}
		r.Pods[p.UID], r.names[p.UID] = p, ref
		r.add(store.Ref{Resource: replay.Nodes, Name: p.Spec.NodeName})
		r.needs(ref.Namespace, &p.Spec)
		r.owners(ref.Namespace, p.OwnerReferences)
	}
}

// owners follows ownerReferences up, and from the top down to all Pods. What owns
// them without making Pods, such as a custom resource, takes them along when it is
// deleted.
func (r *Relations) owners(namespace string, owners []metav1.OwnerReference) {
	for _, o := range owners {
		if resource, ok := replay.Workloads[o.Kind]; ok {
			r.workload(store.Ref{Resource: resource, Namespace: namespace, Name: o.Name})
			continue
		}
		resource, cluster := kinds.Of(o.APIVersion, o.Kind)
		ref := store.Ref{Resource: resource, Namespace: namespace, Name: o.Name}
		if cluster {
			ref.Namespace = ""
		}
		r.add(ref)
		r.owning[ref] = o.UID
	}
}

func (r *Relations) workload(ref store.Ref) {
	if !r.add(ref) {
		return
	}
	for o := range r.State.Past(ref) {
		m, err := change.Metadata(o.Object)
		if err != nil {
			continue
		}
		r.owners(ref.Namespace, m.OwnerReferences)
		if spec := templateSpec(o); spec != nil {
			r.needs(ref.Namespace, spec)
		}
		for _, resource := range []schema.GroupVersionResource{replay.Workloads["ReplicaSet"], replay.Pods} {
			for _, owned := range r.State.List(store.Query{Resource: resource, Namespace: ref.Namespace, Owner: m.UID}) {
				if resource == replay.Pods {
					r.pod(owned.Ref())
				} else {
					r.workload(owned.Ref())
				}
			}
		}
		break // the last version tells; what changed in between is in the changes
	}
}

// admission are the resources whose objects decide on what is written. They matter
// where a write was refused or changed.
var admission = []schema.GroupVersionResource{
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicies"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicybindings"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicies"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicybindings"},
}

// ofAdmission reports whether an object decides on what is written.
func ofAdmission(ref store.Ref) bool { return ref.Resource.Group == admission[0].Group }

// shown follows what the causes in a report are shown by, such as the Service of
// a webhook that lets no Pod be made.
func (r *Relations) shown(causes []analyzer.Finding) {
	for i := range causes {
		if d := registry.Lookup(causes[i].ID); d.Is(registry.RefusesPods) || d.Is(registry.RefusesWrites) || d.Is(registry.RewritesPods) {
			r.remade = true
			for _, resource := range admission {
				r.everIn(resource, "")
			}
		}
		for _, shown := range causes[i].Evidence {
			e, err := r.State.Timeline().Event(shown.Seq)
			if shown.Seq == 0 || err != nil || !e.IsObject() || e.Resource == replay.KubernetesEvents {
				continue
			}
			switch ref := e.Ref(); {
			case ref.Resource == replay.Pods:
				r.pod(ref)
			case ref.Resource == replay.Services:
				r.service(ref)
			case slices.Contains(slices.Collect(maps.Values(replay.Workloads)), ref.Resource):
				r.workload(ref)
			default:
				r.add(ref)
			}
		}
	}
}

// needs follows what a Pod's spec refers to, and from its claims to volumes and classes.
func (r *Relations) needs(namespace string, spec *corev1.PodSpec) {
	for ref := range needed(namespace, spec) {
		if r.add(ref) && ref.Resource.Resource == "persistentvolumeclaims" {
			if o := r.lastOf(ref); o != nil {
				claim := &analyzer.As[corev1.PersistentVolumeClaim](o).Spec
				r.add(store.Ref{Resource: volumes.Resource, Name: claim.VolumeName})
				if claim.StorageClassName != nil {
					r.add(store.Ref{Resource: classes.Resource, Name: *claim.StorageClassName})
				}
			}
		}
	}
}

var (
	volumes, _ = kinds.ByName("PersistentVolume")
	classes, _ = kinds.ByName("StorageClass")
)

// claims reports whether a Pod has a claim that is bound to a volume, or that names a
// class, by what is asked for.
func (r *Relations) claims(p *corev1.Pod, ref store.Ref) bool {
	return slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
		if v.PersistentVolumeClaim == nil {
			return false
		}
		o := r.lastOf(store.Ref{Resource: schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}, Namespace: p.Namespace, Name: v.PersistentVolumeClaim.ClaimName})
		if o == nil {
			return false
		}
		claim := &analyzer.As[corev1.PersistentVolumeClaim](o).Spec
		return ref.Resource == volumes.Resource && claim.VolumeName == ref.Name ||
			ref.Resource == classes.Resource && claim.StorageClassName != nil && *claim.StorageClassName == ref.Name
	})
}

var priorityClasses = schema.GroupVersionResource{Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"}

// needed returns the objects that a Pod's spec names: ConfigMaps, Secrets,
// claims, the ServiceAccount and the PriorityClass.
func needed(namespace string, spec *corev1.PodSpec) map[store.Ref]bool {
	refs := map[store.Ref]bool{}
	add := func(resource, name string) {
		if name != "" {
			refs[store.Ref{Resource: schema.GroupVersionResource{Version: "v1", Resource: resource}, Namespace: namespace, Name: name}] = true
		}
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, e := range c.EnvFrom {
			if e.ConfigMapRef != nil {
				add("configmaps", e.ConfigMapRef.Name)
			}
			if e.SecretRef != nil {
				add("secrets", e.SecretRef.Name)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			if k := e.ValueFrom.ConfigMapKeyRef; k != nil {
				add("configmaps", k.Name)
			}
			if k := e.ValueFrom.SecretKeyRef; k != nil {
				add("secrets", k.Name)
			}
		}
	}
	for _, v := range spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			add("configmaps", v.ConfigMap.Name)
		case v.Secret != nil:
			add("secrets", v.Secret.SecretName)
		case v.PersistentVolumeClaim != nil:
			add("persistentvolumeclaims", v.PersistentVolumeClaim.ClaimName)
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if s.ConfigMap != nil {
					add("configmaps", s.ConfigMap.Name)
				}
				if s.Secret != nil {
					add("secrets", s.Secret.Name)
				}
			}
		}
	}
	for _, s := range spec.ImagePullSecrets {
		add("secrets", s.Name)
	}
	add("serviceaccounts", spec.ServiceAccountName)
	if spec.PriorityClassName != "" {
		refs[store.Ref{Resource: priorityClasses, Name: spec.PriorityClassName}] = true
	}
	return refs
}

func (r *Relations) selectsAny(selector map[string]string) bool {
	for _, p := range r.Pods {
		if selects(selector, p.Labels) {
			return true
		}
	}
	return false
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if l, ok := labels[k]; !ok || l != v {
			return false
		}
	}
	return len(selector) > 0
}
