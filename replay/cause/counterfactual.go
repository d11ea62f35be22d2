package cause

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// undo returns the world at the reach's instant as it would be without the
// changes of one act, nil if the model cannot tell. It can where Kubernetes' own
// rules say what follows: selection, ports, the number of replicas, deletions,
// nodes that take no Pods, policies and routes. Whether an image or a
// configuration works is not among these: nobody knows what it would have done.
func undo(r *Relations, act []change.Change) *overlay {
	v := newOverlay(r.State)
	for i := range act {
		c := &act[i]
		if !r.modelled(c) || !undoable(c) && !r.ownerGone(c) && !(r.remade && c.IsRestart()) {
			return nil
		}
		if !v.revert(c) {
			return nil
		}
		switch c.Ref.Resource.Resource {
		case "deployments", "statefulsets", "replicasets", "replicationcontrollers", "daemonsets":
			if onlyTemplate(c) {
				v.retemplate(r, c)
				break
			}
			v.rollBack(r, c, func(_ *corev1.Pod, top store.Ref) bool { return top == r.top(c.Ref) })
		case "pods":
			if ofGate(c, c.AllFields) && v.reopen(c.Ref) {
				break // which Pods there are does not follow from a gate
			}
			v.rollBack(r, c, func(_ *corev1.Pod, top store.Ref) bool { return top == r.top(c.Ref) })
		case "nodes":
			v.rollBack(r, c, func(p *corev1.Pod, _ store.Ref) bool { return p.Spec.NodeName == c.Ref.Name })
		case "namespaces":
			v.refill(r, c)
		case "endpoints":
			v.remirror(r, c)
		}
		if r.ownerGone(c) {
			v.restoreOwned(r, c)
		}
	}
	for _, ref := range r.Refs {
		if ref.Resource == replay.Services {
			v.relist(ref)
		}
	}
	return v
}

// modelled reports whether the kinds were recorded from which the model takes what follows
// from a change: Pods belong to a Deployment through its ReplicaSets, and a Service has the
// endpoints of its Pods.
func (r *Relations) modelled(c *change.Change) bool {
	needs := []schema.GroupVersionResource{replay.Pods}
	switch c.Ref.Resource.Resource {
	case "endpointslices", "endpoints", "ingresses", "networkpolicies", "httproutes", "grpcroutes", "referencegrants":
		return true
	case "deployments", "nodes", "namespaces":
		needs = append(needs, replay.Workloads["ReplicaSet"])
	}
	return !slices.ContainsFunc(needs, func(k schema.GroupVersionResource) bool {
		return r.State.Coverage(k, r.Refs[0].Namespace).Status == store.NotRecorded
	})
}

// undoable reports whether the rules of Kubernetes tell what follows from the
// change.
func undoable(c *change.Change) bool {
	has := func(prefix string) bool {
		return slices.ContainsFunc(c.AllFields, func(f change.Field) bool { return strings.HasPrefix(f.Path, prefix) })
	}
	switch c.Ref.Resource.Resource {
	case "services":
		return c.Verb != change.Updated || has("/spec/") || has("/status/loadBalancer")
	case "pods":
		return c.Verb != change.Updated || has("/metadata/labels") || ofGate(c, c.AllFields)
	case "deployments", "statefulsets", "replicasets", "replicationcontrollers", "daemonsets":
		return c.Verb != change.Updated || has("/spec/replicas") || onlyTemplate(c)
	case "nodes":
		return c.Verb == change.Updated && (has("/spec/") || has("/metadata/labels"))
	case "networkpolicies", "ingresses", "httproutes", "grpcroutes", "referencegrants":
		return true
	case "endpointslices", "endpoints":
		return !c.ByController()
	case "namespaces":
		return c.Verb == change.Deleting || c.Verb == change.Deleted
	}
	return false
}

// onlyTemplate reports whether all that a change is about are labels and ports of
// Pods: selection and the names of ports follow from them by rule, whatever runs.
func onlyTemplate(c *change.Change) bool {
	return c.Verb == change.Updated && len(c.AllFields) > 0 && !slices.ContainsFunc(c.AllFields, func(f change.Field) bool { return !ofRule(f.Path) })
}

// ofRule reports whether a field of a template decides by rule on what a Service
// gets.
func ofRule(path string) bool {
	return strings.HasPrefix(path, "/spec/template/metadata/labels") ||
		strings.HasPrefix(path, "/spec/template/spec/containers[") && strings.Contains(path, "/ports")
}

// retemplate gives the Pods that were made from a template what it had before the
// change; what they run stays.
func (v *overlay) retemplate(r *Relations, c *change.Change) {
	for _, ref := range r.Refs {
		replicaSet := ref.Resource == replay.Workloads["ReplicaSet"]
		if ref == c.Ref || ref.Resource != replay.Pods && !replicaSet || r.top(ref) != c.Ref {
			continue
		}
		o := v.State.Get(ref)
		if o == nil {
			continue
		}
		var left []change.Field
		root := change.Decode(o)
		for _, f := range c.AllFields {
			steps := f.Steps
			if !replicaSet {
				steps, _ = ofPod(f.Steps)
			}
			if f.Steps = steps; change.Text(change.ValueAt(root, steps)) == change.Text(f.New) {
				left = append(left, f)
			}
		}
		if len(left) > 0 {
			v.put(ref, change.WithoutFields(o, left), o.Seq)
		}
	}
}

// ownerGone reports whether the change is the deletion of an object that owned
// others of the reach: the garbage collector deletes those.
func (r *Relations) ownerGone(c *change.Change) bool {
	uid, owns := r.owning[c.Ref]
	return owns && (c.Verb == change.Deleted || c.Verb == change.Deleting) && (c.Subject.UID == "" || string(uid) == c.Subject.UID)
}

// restoreOwned puts back what was deleted after its owner, and what that owned in
// turn. What exists again stays as it is.
func (v *overlay) restoreOwned(r *Relations, c *change.Change) {
	alive := map[types.UID]bool{r.owning[c.Ref]: true}
	for more := true; more; {
		more = false
		for _, ref := range r.Refs {
			if _, done := v.objects[ref]; done || v.State.Get(ref) != nil {
				continue
			}
			was := r.before(ref, c.Seq)
			if was == nil || alive[was.UID] {
				continue
			}
			m, err := change.Metadata(was.Object)
			if err == nil && slices.ContainsFunc(m.OwnerReferences, func(o metav1.OwnerReference) bool { return alive[o.UID] }) {
				v.put(ref, was, c.Seq)
				alive[was.UID], more = true, true
			}
		}
	}
}

// revert takes back what the change did to its own object, and nothing that was
// written to it later; false if nothing of the change is left.
func (v *overlay) revert(c *change.Change) bool {
	now := v.State.Get(c.Ref)
	switch {
	case c.Verb == change.Created:
		v.put(c.Ref, nil, c.Seq)
	case c.Verb != change.Updated || now != nil && c.After != nil && now.Seq == c.After.Seq && !c.Part:
		v.put(c.Ref, c.Before, c.Seq)
	case now == nil || now.UID != c.After.UID:
		return false // it was deleted later, which stays
	default:
		root := change.Decode(now)
		left := slices.DeleteFunc(slices.Clone(c.AllFields), func(f change.Field) bool {
			return change.Text(change.ValueAt(root, f.Steps)) != change.Text(f.New)
		})
		if len(left) == 0 {
			return false // somebody wrote all of it again
		}
		v.put(c.Ref, change.WithoutFields(now, left), c.Seq)
	}
	return true
}

// reopen makes a Pod as ready as its containers and its readiness gates say: that is
// all the kubelet asks (k8s.io/kubernetes/pkg/kubelet/status, GeneratePodReadyCondition).
func (v *overlay) reopen(ref store.Ref) bool {
	o := v.objects[ref]
	if o == nil {
		return false
	}
	p := analyzer.As[corev1.Pod](o)
	status := corev1.ConditionFalse
	if kube.PodConditionIs(p, corev1.ContainersReady, corev1.ConditionTrue) && !slices.ContainsFunc(p.Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool {
		return !kube.PodConditionIs(p, g.ConditionType, corev1.ConditionTrue)
	}) {
		status = corev1.ConditionTrue
	}
	field := change.Field{Old: string(status), Steps: []change.Step{{Field: "status"}, {Field: "conditions"}, {Keys: []string{"type"}, Value: []any{string(corev1.PodReady)}, InList: true}, {Field: "status"}}}
	v.put(ref, change.WithoutFields(o, []change.Field{field}), v.since[ref])
	return true
}

// rollBack puts the workloads whose Pods are meant back to what they were before
// the change, and of their Pods what follows from it: those that were taken away
// since are there again, as they last were, and those that were made since are
// not. What became of a Pod otherwise is not the doing of the change, and stays.
func (v *overlay) rollBack(r *Relations, c *change.Change, meant func(p *corev1.Pod, top store.Ref) bool) {
	tops := map[store.Ref]bool{}
	for uid, p := range r.Pods {
		if top := r.top(r.names[uid]); meant(p, top) {
			tops[top] = true
		}
	}
	if c.Ref.Resource != replay.Nodes {
		tops[r.top(c.Ref)] = true
	}
	for top := range tops {
		if top != c.Ref && r.meantSince(top, c.Seq) {
			delete(tops, top) // its controllers may have followed that
		}
	}
	touched := map[store.Ref]bool{} // of the tops: those that the change did something to
	for _, ref := range r.Refs {
		if top := r.top(ref); ref.Resource == replay.Pods && tops[top] && ref != c.Ref && v.restorePod(r, c, ref) {
			touched[top] = true
		}
	}
	for _, ref := range r.Refs {
		top := r.top(ref)
		if ref == c.Ref || !tops[top] || c.Ref.Resource == replay.Nodes && !touched[top] {
			continue
		}
		if _, reverted := v.objects[ref]; reverted {
			continue
		}
		switch before := r.before(ref, c.Seq); {
		case before == nil: // made since
			v.put(ref, nil, c.Seq)
		case ref.Resource != replay.Pods && c.Verb != change.Created:
			v.put(ref, before, c.Seq)
		}
	}
}

// restorePod puts back a Pod that the change took away, or that it let be placed;
// it reports whether there was something to put back.
func (v *overlay) restorePod(r *Relations, c *change.Change, ref store.Ref) bool {
	was := r.before(ref, c.Seq)
	if was == nil || c.Verb == change.Created {
		return false
	}
	now := r.State.Get(ref)
	onNode := c.Ref.Resource == replay.Nodes
	old := analyzer.As[corev1.Pod](was)
	if now != nil && now.UID == was.UID && !Deleting(now) {
		p := analyzer.As[corev1.Pod](now)
		// One that the scheduler had not looked at yet did not wait for the Node.
		if placed := onNode && old.Spec.NodeName == "" && p.Spec.NodeName == c.Ref.Name && kube.PodConditionIs(old, corev1.PodScheduled, corev1.ConditionFalse); !placed {
			return false
		}
		v.put(ref, was, c.Seq)
		return true
	}
	if onNode && (old.Spec.NodeName != c.Ref.Name || !r.evicted(ref, was.UID) && !unwanted(c, old)) {
		return false
	}
	v.put(ref, r.lastUntouched(ref, was), c.Seq)
	return true
}

// unwanted reports whether a change to a Node is why a DaemonSet wants none of its Pods
// there any more: it deletes them then, and nobody evicts them
// (k8s.io/kubernetes/pkg/controller/daemon, NodeShouldRunDaemonPod).
func unwanted(c *change.Change, p *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(p)
	if owner == nil || owner.Kind != "DaemonSet" || c.Before == nil || c.After == nil {
		return false
	}
	return kube.WantsNode(&p.Spec, analyzer.As[corev1.Node](c.Before)) && !kube.WantsNode(&p.Spec, analyzer.As[corev1.Node](c.After))
}

// evicted reports whether the cluster removed a Pod from its Node.
func (r *Relations) evicted(ref store.Ref, uid types.UID) bool {
	for o := range r.State.Past(ref) {
		if o.UID == uid && disruption(analyzer.As[corev1.Pod](o)) != nil {
			return true
		}
	}
	return false
}

// lastUntouched returns the last version of a Pod, from one on, in which nobody
// had begun to take it away.
func (r *Relations) lastUntouched(ref store.Ref, from *analyzer.Object) *analyzer.Object {
	for o := range r.State.Past(ref) {
		if o.Seq <= from.Seq {
			break
		}
		if o.UID == from.UID && o.Type != watch.Deleted && !Deleting(o) && disruption(analyzer.As[corev1.Pod](o)) == nil {
			return o
		}
	}
	return from
}

// meantSince reports whether somebody wrote to the spec of a workload after a
// position, or deleted it: what happened to its Pods need not follow from what
// came before that.
func (r *Relations) meantSince(ref store.Ref, after store.Seq) bool {
	all, err := change.ListWith(r.State.Timeline(), r.State.Cache(), ref, after, r.State.Seq())
	r.State.Note(err)
	return slices.ContainsFunc(all, func(c change.Change) bool { return c.Origin == change.Intent && specOrWhole(&c) })
}

// remirror puts the slices that mirror an Endpoints object back to what they were before
// the change to that.
func (v *overlay) remirror(r *Relations, c *change.Change) {
	for _, ref := range r.Refs {
		if ref.Resource != replay.EndpointSlices || ref.Namespace != c.Ref.Namespace {
			continue
		}
		if o := r.lastOf(ref); o != nil && change.MirrorsEndpoints(o) && analyzer.As[discoveryv1.EndpointSlice](o).Labels[discoveryv1.LabelServiceName] == c.Ref.Name {
			v.put(ref, r.before(ref, c.Seq), c.Seq)
		}
	}
}

// refill puts all that is in a namespace back to what it was before its
// deletion.
func (v *overlay) refill(r *Relations, c *change.Change) {
	for _, ref := range r.Refs {
		if ref.Namespace == c.Ref.Name {
			v.put(ref, r.before(ref, c.Seq), c.Seq)
		}
	}
}

// before returns the version of the object that was current before a position,
// nil if it did not exist.
func (r *Relations) before(ref store.Ref, seq store.Seq) *analyzer.Object {
	if seq <= 1 {
		return nil
	}
	return r.State.Before(seq).Get(ref)
}

// top returns the highest controller above a Pod or workload that was recorded
// under its name, and anything else itself.
func (r *Relations) top(ref store.Ref) store.Ref {
	if ref.Resource != replay.Pods && !slices.Contains(slices.Collect(maps.Values(replay.Workloads)), ref.Resource) {
		return ref
	}
	if top, known := r.tops[ref]; known {
		return top
	}
	top := ref
	r.tops[ref] = ref // owners may form a circle
	for o := range r.State.Past(ref) {
		m, err := change.Metadata(o.Object)
		if err != nil {
			continue
		}
		if owner := metav1.GetControllerOf(m); owner != nil {
			if resource, ok := replay.Workloads[owner.Kind]; ok {
				top = r.top(store.Ref{Resource: resource, Namespace: ref.Namespace, Name: owner.Name})
			}
			break
		}
	}
	r.tops[ref] = top
	return top
}

// relist replaces the slices that the controller wrote for a Service by those
// it would have written. Where it would have written the same they stay as they
// are, also if they lag behind: that is not the doing of the change.
func (v *overlay) relist(ref store.Ref) {
	if now, then := v.State.Get(ref), v.Get(ref); now != nil && then != nil && now.UID == then.UID && sameProtocols(now, then) &&
		slices.EqualFunc(expected(v.State, now), expected(v, then), sameEndpoint) {
		return
	}
	for _, o := range v.State.List(store.Query{Resource: replay.EndpointSlices, Namespace: ref.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: ref.Name}}) {
		if _, rolledBack := v.objects[o.Ref()]; !rolledBack && change.IsControllersSlice(o) {
			v.put(o.Ref(), nil, 0)
		}
	}
	o := v.Get(ref)
	if o == nil {
		return
	}
	svc := analyzer.As[corev1.Service](o)
	byPorts := map[string]*discoveryv1.EndpointSlice{}
	for _, e := range expected(v, o) {
		key := fmt.Sprint(e.Family, e.Ports)
		sl := byPorts[key]
		if sl == nil {
			sl = v.newSlice(svc, o, &e, len(byPorts))
			byPorts[key] = sl
		}
		sl.Endpoints = append(sl.Endpoints, discoveryv1.Endpoint{
			Addresses:  e.Addresses,
			Conditions: discoveryv1.EndpointConditions{Ready: new(e.Ready), Serving: new(e.Serving), Terminating: new(e.Terminating)},
			NodeName:   new(e.Pod.Spec.NodeName),
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: e.Pod.Namespace, Name: e.Pod.Name, UID: e.Pod.UID},
		})
	}
	for _, sl := range byPorts {
		data, err := json.Marshal(sl)
		if err != nil {
			continue
		}
		at := store.Ref{Resource: replay.EndpointSlices, Namespace: sl.Namespace, Name: sl.Name}
		v.put(at, analyzer.NewObject(store.Event{
			Seq: v.Seq(), Time: o.Time, Type: o.Type, Resource: replay.EndpointSlices,
			Namespace: sl.Namespace, Name: sl.Name, UID: sl.UID, Object: data,
		}), 0)
	}
}

// expected returns what the controller would list of a Service in a View.
func expected(v analyzer.View, o *analyzer.Object) []kube.ExpectedEndpoint {
	svc := analyzer.As[corev1.Service](o)
	if len(svc.Spec.Selector) == 0 {
		return nil
	}
	var pods []*corev1.Pod
	for _, p := range v.List(store.Query{Resource: replay.Pods, Namespace: o.Namespace, Labels: svc.Spec.Selector}) {
		pods = append(pods, analyzer.As[corev1.Pod](p))
	}
	known := v.Coverage(replay.Nodes, "").Status == store.Current
	return kube.Expected(svc, pods, func(name string) bool {
		return !known || v.Get(store.Ref{Resource: replay.Nodes, Name: name}) != nil
	})
}

func sameProtocols(a, b *analyzer.Object) bool {
	return slices.EqualFunc(analyzer.As[corev1.Service](a).Spec.Ports, analyzer.As[corev1.Service](b).Spec.Ports, func(a, b corev1.ServicePort) bool {
		return a.Name == b.Name && a.Protocol == b.Protocol
	})
}

func sameEndpoint(a, b kube.ExpectedEndpoint) bool {
	return a.Pod.UID == b.Pod.UID && a.Family == b.Family && slices.Equal(a.Addresses, b.Addresses) && maps.Equal(a.Ports, b.Ports) &&
		a.Ready == b.Ready && a.Serving == b.Serving && a.Terminating == b.Terminating
}

// newSlice begins a slice as the controller would have written it
// (k8s.io/endpointslice/reconciler.go).
func (v *overlay) newSlice(svc *corev1.Service, o *analyzer.Object, e *kube.ExpectedEndpoint, n int) *discoveryv1.EndpointSlice {
	sl := &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.Namespace, Name: fmt.Sprintf("%s-%d", o.Name, n), UID: o.UID + "-slice",
			CreationTimestamp: metav1.NewTime(o.Time),
			Labels: map[string]string{
				discoveryv1.LabelServiceName: o.Name, discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io",
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: o.Name, UID: o.UID, Controller: new(true)}},
		},
		AddressType: discoveryv1.AddressType(e.Family),
	}
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		sl.Labels[corev1.IsHeadlessService] = ""
	}
	for i := range svc.Spec.Ports {
		sp := &svc.Spec.Ports[i]
		if port, ok := e.Ports[sp.Name]; ok {
			sl.Ports = append(sl.Ports, discoveryv1.EndpointPort{Name: new(sp.Name), Port: new(port), Protocol: new(sp.Protocol)})
		}
	}
	return sl
}

// specOrWhole reports whether a change is to more than the status.
func specOrWhole(c *change.Change) bool {
	return c.Verb != change.Updated || slices.ContainsFunc(c.AllFields, func(f change.Field) bool { return f.Top() == "spec" })
}
