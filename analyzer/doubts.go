package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/store"
)

// doubts are what makes a Service that serves by its slices less than certain:
// endpoints whose readiness is older than the last word of their Node, a port
// that leads where nothing is declared, addresses of Pods that are not ready.
// The state stays what slices say; the certainty does not.
func (s *service) doubts(a *answer, looks ...func(*answer) []*cause) {
	if a.state == Absent || a.state == NotServing || a.state == Unknown {
		return
	}
	for _, look := range looks {
		found := look(a)
		a.risks = append(a.risks, found...)
		a.doubtful = a.doubtful || len(found) > 0
	}
}

// renewals is how many renewals a Node's Lease may miss before what its kubelet
// said last is called old. A kubelet renews four times within the duration.
const renewals = 2

// unheard returns since when a Node was not heard, and what shows it; silent is
// false if it was heard lately, or if nothing tells.
func (q *inquiry) unheard(name string) (since time.Time, row Evidence, silent bool) {
	n := q.node(name)
	if n == nil {
		return time.Time{}, Evidence{}, false
	}
	if c := nodeCondition(n, corev1.NodeReady); c != nil && c.Status != corev1.ConditionTrue {
		return c.LastTransitionTime.Time, q.see(n, conditionPath(c.Type)+"/status", string(c.Status)), true
	}
	k := kindOf[coordinationv1.Lease]()
	ref := store.Ref{Resource: k.resource, Namespace: corev1.NamespaceNodeLease, Name: name}
	if !q.view.Coverage(k.resource, ref.Namespace).Status.ContentCurrent() {
		return time.Time{}, Evidence{}, false
	}
	o := q.view.Get(ref)
	if o == nil {
		return time.Time{}, Evidence{}, false
	}
	l := decode[coordinationv1.Lease](q, k, o)
	if l == nil || l.Spec.LeaseDurationSeconds == nil || l.Spec.RenewTime == nil {
		return time.Time{}, Evidence{}, false
	}
	duration := time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
	since = o.Time // and not by the Node's clock
	if t := l.Spec.RenewTime.Time; t.Before(since.Add(-duration)) && q.first(o) {
		since = t
	}
	if duration <= 0 || q.within(since, renewals*duration/4+duration/8) {
		return time.Time{}, Evidence{}, false
	}
	return since, q.see(l, "/spec/renewTime", l.Spec.RenewTime.UTC().Format(time.RFC3339)), true
}

// first reports whether an object is the first recorded version of its name: it
// may have been there long before it was heard.
func (q *inquiry) first(o *Object) bool {
	for old := range q.view.Past(o.Ref()) {
		if old.Seq < o.Seq {
			return false
		}
	}
	return true
}

// writtenAt is when the version of an object was written: when it was heard, or,
// if it was there before anybody listened, the newest time that it carries.
func (q *inquiry) writtenAt(v any) time.Time {
	o := q.seen(v)
	m, ok := v.(metav1.Object)
	if !ok || !q.first(o) {
		return o.Time
	}
	newest := m.GetCreationTimestamp().Time
	later := func(t time.Time) {
		if t.After(newest) {
			newest = t
		}
	}
	for _, f := range m.GetManagedFields() {
		if f.Time != nil {
			later(f.Time.Time)
		}
	}
	if p, is := v.(*corev1.Pod); is {
		for i := range p.Status.Conditions {
			later(p.Status.Conditions[i].LastTransitionTime.Time)
		}
	}
	if newest.IsZero() || newest.After(o.Time) {
		return o.Time
	}
	return newest
}

// silentNodes: endpoints are ready by their slices, and their Node was not heard
// since: the node controller acts only after its own grace of 40 s or more.
func (s *service) silentNodes(a *answer) []*cause {
	type silence struct {
		since time.Time
		row   Evidence
		pods  []string
	}
	byNode := map[string]*silence{}
	total, old := 0, 0
	counted := map[string]bool{}
	for _, sl := range s.slices {
		if !s.counts(sl) {
			continue
		}
		for i := range sl.Endpoints {
			e := &sl.Endpoints[i]
			if !kube.EndpointReady(e) || len(e.Addresses) == 0 || s.gone(e) || counted[e.Addresses[0]] {
				continue
			}
			counted[e.Addresses[0]] = true
			total++
			if e.NodeName == nil {
				continue
			}
			at, known := byNode[*e.NodeName]
			if !known {
				if since, row, silent := s.q.unheard(*e.NodeName); silent {
					at = &silence{since: since, row: row}
				}
				byNode[*e.NodeName] = at
			}
			if at == nil {
				continue
			}
			old++
			if e.TargetRef != nil {
				at.pods = append(at.pods, e.TargetRef.Name)
			}
		}
	}
	var found []*cause
	for name, at := range byNode {
		if at == nil {
			continue
		}
		what := "was last heard at " + clock(at.since, s.q.now)
		if at.row.Kind == "Node" {
			what = "is not ready since " + clock(at.since, s.q.now)
		}
		c := s.cause("endpoint-on-silent-node", clause("Node %s %s: that %s on it %s ready is older than that", name, what, enumerate(at.pods, 3), map[bool]string{true: "is", false: "are"}[len(at.pods) == 1]), at.row)
		c.variant = strings.ToLower(at.row.Kind)
		c.subject, c.key, c.since, c.certainty = s.q.subject(s.q.node(name)), name, at.since, Likely
		c.next = commands(describe("node", "", name))
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b *cause) int { return cmp.Compare(a.key, b.key) })
	if len(found) > 0 && a.state == Serving {
		a.ok = fmt.Sprintf("Service %s has %s, %d of them on Nodes that are heard", s, quantity(total, "ready endpoint"), total-old)
	}
	return found
}

// publishedUnready: addresses are handed out, and none of their Pods is ready.
func (s *service) publishedUnready(a *answer) []*cause {
	if !s.svc.Spec.PublishNotReadyAddresses || !kube.Headless(s.svc) || slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return kube.Ready(p) && !kube.Terminating(p) }) {
		return nil
	}
	var row *discoveryv1.EndpointSlice
	n := 0
	for _, sl := range s.slices {
		for i := range sl.Endpoints {
			if kube.EndpointReady(&sl.Endpoints[i]) {
				row = sl
				n++
			}
		}
	}
	if row == nil {
		return nil
	}
	says := fmt.Sprintf("publishes %s although no Pod is ready", quantity(n, "address"))
	c := s.cause("publish-not-ready", clause("Service %s %s, as publishNotReadyAddresses asks", s, says),
		s.q.see(s.svc, "/spec/publishNotReadyAddresses", "true"), s.q.see(row, "/endpoints/conditions/ready", "true"))
	c.variant, c.certainty = "none ready", Likely
	for _, p := range s.pods {
		if r := kube.PodCondition(p, corev1.PodReady); r != nil && r.LastTransitionTime.After(c.since) {
			c.since = r.LastTransitionTime.Time
		}
	}
	if a.state == Serving {
		a.ok = fmt.Sprintf("Service %s %s", s, says)
	}
	return []*cause{c}
}

// jobsOnly: the Service is meant for a workload that has no Pod now, and what
// serves are the Pods of Jobs that carry the same labels.
func (s *service) jobsOnly(a *answer) []*cause {
	var meant, jobs []string
	var rows []Evidence
	for _, w := range s.workloads {
		switch {
		case w.scaled && w.active() > 0:
			return nil
		case w.scaled:
			meant = append(meant, w.String())
			rows = append(rows, s.q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired)))
		case slices.ContainsFunc(w.pods, s.serves):
			jobs = append(jobs, w.String())
			rows = append(rows, s.q.see(w.object, "/spec/template/metadata/labels", pairs(w.template.Labels)))
		}
	}
	if len(meant) == 0 || len(jobs) == 0 {
		return nil
	}
	text := fmt.Sprintf("only the Pods of %s serve, which carry the labels %s, too: %s has none", enumerate(jobs, 3), pairs(s.svc.Spec.Selector), enumerate(meant, 3))
	c := s.cause("selector-too-broad", clause("%s", text), rows...)
	c.variant, c.certainty, c.since = "jobs only", Likely, s.lastSliceChange()
	if a.state == Serving {
		a.ok = fmt.Sprintf("Service %s has ready endpoints, but %s", s, text)
	}
	return []*cause{c}
}
