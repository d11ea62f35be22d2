package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// service is a Service with everything its traffic depends on.
type service struct {
	q         *inquiry
	svc       *corev1.Service
	slices    []*discoveryv1.EndpointSlice // all with its name, whoever manages them
	pods      []*corev1.Pod                // selected, in any phase, without those that have ended
	ended     []*corev1.Pod                // selected and deleted, and their containers have ended
	workloads []*workload                  // that make its Pods, or should
	bare      []*corev1.Pod                // selected Pods that no known workload made
	desired   int
	byUID     map[types.UID]*corev1.Pod
	owner     map[types.UID]*workload // Pod -> workload
	listed    map[types.UID][]listing // Pod -> where it is listed
	routes    []portRoute
	history   *tallies
	causes    map[types.UID]*cause // why a Pod does not serve
	counted   *tally               // what usable found
}

// listing is one place where a Pod is an endpoint.
type listing struct {
	slice    *discoveryv1.EndpointSlice
	endpoint *discoveryv1.Endpoint
}

// service examines a Service.
func (q *inquiry) service(namespace, name string) *answer {
	svc := get[corev1.Service](q, namespace, name)
	if svc == nil {
		return q.noService(namespace, name)
	}
	s := q.gather(svc)
	a := &answer{subject: q.subject(svc)}
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		s.externalName(a)
		return a
	}
	s.traffic(a)
	s.blame(a)
	s.judge(a)
	q.telling(func() { s.list(a) })
	q.wording(func() { s.doubts(a, s.changedPorts, s.publishedUnready, s.jobsOnly) })
	q.aside(func() { s.doubts(a, s.silentNodes) })
	q.aside(func() {
		s.named(a)
		s.aside(a)
		a.checklist = s.checklist(a)
	})
	return a
}

// gather looks up what the Service's traffic depends on.
func (q *inquiry) gather(svc *corev1.Service) *service {
	s := &service{
		q: q, svc: svc,
		causes: map[types.UID]*cause{},
	}
	s.history = &tallies{service: s}
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		return s
	}
	s.slices = list[discoveryv1.EndpointSlice](q, store.Query{
		Namespace: svc.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: svc.Name},
	})
	listed := 0
	for _, sl := range s.slices {
		listed += len(sl.Endpoints)
	}
	s.listed = make(map[types.UID][]listing, listed)
	for _, sl := range s.slices {
		for i := range sl.Endpoints {
			e := &sl.Endpoints[i]
			if uid := kube.PodOf(e); uid != "" {
				s.listed[uid] = append(s.listed[uid], listing{sl, e})
			}
		}
	}
	if !kube.Selectable(svc) {
		return s
	}
	for _, p := range list[corev1.Pod](q, store.Query{Namespace: svc.Namespace, Labels: svc.Spec.Selector}) {
		if kube.Terminal(p) && kube.Terminating(p) {
			s.ended = append(s.ended, p)
		} else {
			s.pods = append(s.pods, p)
		}
	}
	s.byUID = make(map[types.UID]*corev1.Pod, len(s.pods))
	for _, p := range s.pods {
		s.byUID[p.UID] = p
	}
	s.workloads, s.bare = q.workloads(svc.Namespace, svc.Spec.Selector, s.pods)
	s.owner = make(map[types.UID]*workload, len(s.pods))
	for _, w := range s.workloads {
		if s.labelledOneByOne(w) {
			w.desired = w.active()
		}
		s.desired += w.desired
		for _, p := range w.pods {
			s.owner[p.UID] = w
			if !w.scaled && !kube.Terminal(p) {
				s.desired++
			}
		}
	}
	for _, p := range s.bare {
		if !kube.Terminal(p) {
			s.desired++
		}
	}
	return s
}

func (s *service) String() string { return s.svc.Namespace + "/" + s.svc.Name }

// cause begins a cause about the Service itself.
func (s *service) cause(id string, says func(string) string, evidence ...Evidence) *cause {
	return &cause{
		id: id, subject: s.q.subject(s.svc), key: s.svc.Namespace + "/" + s.svc.Name,
		says: says, evidence: evidence, certainty: Certain, since: s.svc.CreationTimestamp.Time,
	}
}

// selectorSince dates a cause that lies in the selector as it is now. Where the
// recording began later, it is as old as the last writing of whoever owns it,
// and not as the Service.
func (s *service) selectorSince(c *cause) *cause {
	selector := s.svc.Spec.Selector
	if w := writerOf(&s.svc.ObjectMeta, "f:spec", "f:selector"); w != nil && w.time.After(c.since) {
		c.since = w.time
	}
	c.onset = func() (time.Time, string) {
		return held(s.q, s.svc, func(old *corev1.Service) bool { return phrase.Pairs(old.Spec.Selector) == phrase.Pairs(selector) })
	}
	return c
}

// serves reports whether clients reach the Pod through the Service on every
// port: it is listed as ready, with the ports.
func (s *service) serves(p *corev1.Pod) bool {
	if kube.Headless(s.svc) {
		return slices.ContainsFunc(s.listed[p.UID], func(l listing) bool { return kube.EndpointReady(l.endpoint) })
	}
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if !s.asked(sp) {
			continue
		}
		if !slices.ContainsFunc(s.listed[p.UID], func(l listing) bool {
			return kube.EndpointReady(l.endpoint) && kube.ProxyVisible(l.slice) && hasPort(l.slice, sp)
		}) {
			return false
		}
	}
	return true
}

// asked: the question is about this port, or about all.
func (s *service) asked(sp *corev1.ServicePort) bool {
	if s.q.options.Port == "" {
		return true
	}
	found := kube.FindServicePort(s.svc, s.q.options.Port)
	return found == nil || found == sp
}

func hasPort(sl *discoveryv1.EndpointSlice, sp *corev1.ServicePort) bool {
	return slices.ContainsFunc(sl.Ports, func(p discoveryv1.EndpointPort) bool { return kube.ServesPort(&p, sp) })
}

// list fills in the endpoints of the answer.
func (s *service) list(a *answer) {
	ready, terminating := s.usable()
	a.endpoints = Endpoints{Ready: ready, Desired: s.desired, Terminating: terminating}
	if !kube.Selectable(s.svc) {
		a.endpoints.Desired = ready
	}
	shown := map[types.UID]bool{}
	for _, sl := range s.slices {
		for i := range sl.Endpoints {
			e := &sl.Endpoints[i]
			item := Endpoint{Address: strings.Join(e.Addresses, ","), State: endpointState(e), Ports: slicePorts(sl)}
			if e.NodeName != nil {
				item.Node = *e.NodeName
			}
			if e.TargetRef != nil {
				item.Pod = e.TargetRef.Name
				shown[e.TargetRef.UID] = true
				if c := s.causes[e.TargetRef.UID]; c != nil {
					item.Reason = c.root().short()
				}
				if s.gone(e) {
					item.State = "dead"
				}
			}
			a.endpoints.Items = append(a.endpoints.Items, item)
		}
	}
	for _, p := range s.pods {
		if shown[p.UID] {
			continue
		}
		item := Endpoint{Address: p.Status.PodIP, State: "unlisted", Pod: p.Name, Node: p.Spec.NodeName}
		if c := s.causes[p.UID]; c != nil {
			item.Reason = c.root().short()
		} else if kube.Terminal(p) {
			item.Reason = "finished"
		}
		a.endpoints.Items = append(a.endpoints.Items, item)
	}
}

func endpointState(e *discoveryv1.Endpoint) string {
	switch {
	case kube.EndpointReady(e):
		return "ready"
	case kube.EndpointTerminating(e):
		return "terminating"
	}
	return "notready"
}

func slicePorts(sl *discoveryv1.EndpointSlice) []string {
	var ports []string
	for _, p := range sl.Ports {
		name, number, protocol := "", "*", "TCP"
		if p.Name != nil && *p.Name != "" {
			name = *p.Name + ":"
		}
		if p.Port != nil {
			number = fmt.Sprint(*p.Port)
		}
		if p.Protocol != nil {
			protocol = string(*p.Protocol)
		}
		ports = append(ports, name+number+"/"+protocol)
	}
	return ports
}

// noService answers for a Service that is not known: it was deleted, never
// existed, or cannot be known.
func (q *inquiry) noService(namespace, name string) *answer {
	k := kindOf[corev1.Service]()
	a := &answer{
		subject: subjectOf(k, namespace, name), state: Absent,
		classes: []ClassResult{{Class: "dns", Result: kube.ResultNXDomain}},
	}
	full := namespace + "/" + name
	if !q.covered(k, namespace) {
		a.state, a.classes = Unknown, []ClassResult{{Class: "dns", Result: kube.ResultUnknown}}
		a.ok = fmt.Sprintf("Whether Service %s exists cannot be known: Services %s", full, q.hole(k, namespace))
		return a
	}
	c := q.deletedService(namespace, name)
	if c == nil {
		c = &cause{
			id: "svc-missing", subject: a.subject, certainty: Certain,
			says: clause("Service %s does not exist", full), evidence: []Evidence{q.absent(k, namespace, name)},
			next: commands(command.Kubectl("get", "services", "-A").Pipe("grep", name)),
		}
		q.wording(func() { q.nearby(a, c, namespace, name) })
	}
	a.units = []unit{{kind: serviceUnit, count: 1, cause: c}}
	a.checklist = absentChecklist(c.says("it"))
	return a
}

// deletedService returns the cause if a Service of that name was recorded.
func (q *inquiry) deletedService(namespace, name string) *cause {
	for o, svc := range past[corev1.Service](q, namespace, name) {
		c := &cause{
			id: "svc-deleted", subject: q.subject(svc), certainty: Certain, since: o.Time,
			says:     clause("Service %s/%s was deleted", namespace, name),
			evidence: []Evidence{q.see(svc, "/spec/clusterIP", svc.Spec.ClusterIP), q.see(svc, "/spec/selector", phrase.Pairs(svc.Spec.Selector))},
			next:     append(commands(command.Kubectl("get", "events", "-n", namespace)), next{advice: "look in the audit log for who deleted it: no object tells"}),
		}
		for i := range c.evidence {
			c.evidence[i].Note = "final state"
		}
		if owner, row := q.deletedOwner(svc.ObjectMeta); owner != "" {
			c.variant = "owner"
			c.says = clause("Service %s/%s was deleted by the garbage collector, as its owner %s was deleted", namespace, name, owner)
			c.evidence = append(c.evidence, row)
		}
		if o.Type != watch.Deleted {
			c.says = clause("Service %s/%s was deleted while nobody listened, after it was last heard of", namespace, name)
		}
		c.onset = func() (time.Time, string) {
			if o.Type != watch.Deleted {
				return o.Time, "or later: the deletion itself was not heard"
			}
			return o.Time, ""
		}
		return c
	}
	return nil
}

// deletedOwner returns the owner of a deleted object, if that is gone as well and
// the object had no other: the garbage collector deletes what it owned
// (pkg/controller/garbagecollector in Kubernetes).
func (q *inquiry) deletedOwner(m metav1.ObjectMeta) (name string, row Evidence) {
	for _, ref := range m.OwnerReferences {
		resource, cluster := kinds.Of(ref.APIVersion, ref.Kind)
		at := store.Ref{Resource: resource, Namespace: m.Namespace, Name: ref.Name}
		if cluster {
			at.Namespace = ""
		}
		var last *Object
		for o := range q.view.Past(at) {
			last = o
			break
		}
		if k, ok := kindsByName[ref.Kind]; ok && last == nil {
			// Where a part of the kind is recorded, the owner may be in the other.
			if p := q.proof(k, m.Namespace); p.status == store.Partial {
				q.doubt(p)
			}
		}
		if last == nil || last.UID != ref.UID || last.Type != watch.Deleted {
			return "", Evidence{} // it is there, or nothing tells of it
		}
		name = ref.Kind + " " + ref.Name
		row = Evidence{
			Seq: last.Seq, Kind: ref.Kind, Namespace: last.Namespace, Name: last.Name, UID: string(last.UID),
			ResourceVersion: last.ResourceVersion, ObservedAt: last.Time, Path: "/", Note: "the owner, deleted then",
		}
	}
	return name, row
}

// nearby looks for what the asker may have meant: the same name elsewhere, a
// similar name here, and a Namespace that is missing.
func (q *inquiry) nearby(a *answer, c *cause, namespace, name string) {
	k := kindOf[corev1.Namespace]()
	if get[corev1.Namespace](q, "", namespace) == nil && q.covered(k, "") {
		c.says = clause("Service %s/%s does not exist, and neither does Namespace %s", namespace, name, namespace)
		c.evidence = append(c.evidence, q.absent(k, "", namespace))
		return
	}
	var elsewhere, similar []string
	for _, o := range q.view.List(store.Query{Resource: kindOf[corev1.Service]().resource}) {
		switch {
		case o.Namespace != namespace && o.Name == name:
			elsewhere = append(elsewhere, o.Namespace+"/"+o.Name)
		case o.Namespace == namespace && o.Name != name && (Distance(o.Name, name) <= 2 || strings.HasPrefix(o.Name, name) || strings.HasPrefix(name, o.Name)):
			similar = append(similar, o.Name)
		}
	}
	if len(elsewhere) > 0 {
		c.says = clause("Service %s/%s does not exist; there is %s", namespace, name, phrase.Enumerate(elsewhere, 3))
	} else if len(similar) > 0 {
		c.says = clause("Service %s/%s does not exist; there is a similar name: %s", namespace, name, phrase.Enumerate(similar, 3))
	}
}
