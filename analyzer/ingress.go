package analyzer

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/store"
)

// route is one way through an Ingress: a host and path, and where it leads.
type ingressRoute struct {
	where   string // a.test/old
	backend *networkingv1.IngressBackend
}

func ingressRoutes(in *networkingv1.Ingress) []ingressRoute {
	var routes []ingressRoute
	if in.Spec.DefaultBackend != nil {
		routes = append(routes, ingressRoute{"everything else", in.Spec.DefaultBackend})
	}
	for _, r := range in.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for i := range r.HTTP.Paths {
			host := r.Host
			if host == "" {
				host = "any host "
			}
			routes = append(routes, ingressRoute{host + r.HTTP.Paths[i].Path, &r.HTTP.Paths[i].Backend})
		}
	}
	return routes
}

// ingress answers for an Ingress: each route for itself.
func (q *inquiry) ingress(namespace, name string) *answer {
	in := get[networkingv1.Ingress](q, namespace, name)
	if in == nil {
		return q.nothing(kindOf[networkingv1.Ingress](), namespace, name)
	}
	a := &answer{subject: q.subject(in), steady: in.CreationTimestamp.Time, steadyBut: "per status"}
	legs := routeLegs{answer: a}
	for _, r := range ingressRoutes(in) {
		if r.backend.Service == nil {
			continue // a resource: not ours to judge
		}
		if c := q.brokenBackend(in, r); c != nil {
			legs.broken(c)
		} else {
			legs.lead(q.serviceAnswer(namespace, r.backend.Service.Name))
		}
	}
	q.unclaimed(a, in)
	legs.close("ingress", "Ingress "+namespace+"/"+name, "route")
	return a
}

// routeLegs adds up the ways of a route into the cluster.
type routeLegs struct {
	answer   *answer
	all, bad int
	worst    State // of those that lead to a Service that serves somehow
}

// broken notes a way that leads nowhere.
func (l *routeLegs) broken(c *cause) {
	l.all++
	l.bad++
	l.answer.units = append(l.answer.units, unit{kind: externalUnit, count: 1, cause: c})
}

// lead notes a way that leads to a Service; nil if that is being examined.
func (l *routeLegs) lead(next *answer) {
	l.all++
	if next == nil || next.state == Serving {
		return
	}
	l.answer.units = append(l.answer.units, next.units...)
	if next.state == NotServing || next.state == Absent {
		l.bad++
		l.answer.effects = append(l.answer.effects, next.effects...)
	} else if l.worst == "" || stateRank(next.state) < stateRank(l.worst) {
		l.worst = next.state
	}
}

// close decides the state of the whole, and its sentences.
func (l *routeLegs) close(class, full, noun string) {
	a, good := l.answer, l.all-l.bad
	legs, result := quantity(l.all, noun), resultOK
	if l.bad > 0 {
		result = "503"
	}
	a.classes = []ClassResult{{class, result, fmt.Sprintf("%d of %s lead to a Service that serves", good, legs)}}
	a.endpoints = Endpoints{Ready: good, Desired: l.all}
	a.ok = fmt.Sprintf("Traffic should flow: %s of %s lead to Services that serve", legs, full)
	switch {
	case l.bad > 0 && good == 0:
		a.state, a.prefix = NotServing, full+" leads nowhere: "
	case l.bad > 0:
		a.state, a.prefix = PartiallyServing, fmt.Sprintf("%s serves %d of %s: ", full, good, legs)
	case l.worst != "":
		a.state, a.prefix = l.worst, full+": "
	default:
		a.state = Serving
	}
}

// brokenBackend: the route names a Service or port that does not exist. Only
// the field that is set is compared: an unnamed port is not the port "".
func (q *inquiry) brokenBackend(in *networkingv1.Ingress, r ingressRoute) *cause {
	b := r.backend.Service
	asked := b.Port.Name
	if asked == "" {
		asked = fmt.Sprint(b.Port.Number)
	}
	c := &cause{
		id: "ingress-backend-broken", subject: q.subject(in), key: b.Name + ":" + asked, certainty: Certain, since: in.CreationTimestamp.Time,
		evidence: []Evidence{q.see(in, "/spec/rules", r.where+" -> "+b.Name+":"+asked)},
		next:     commands(describe("ingress", in.Namespace, in.Name)),
	}
	svc := get[corev1.Service](q, in.Namespace, b.Name)
	if svc == nil {
		k := kindOf[corev1.Service]()
		if !q.covered(k, in.Namespace) {
			return nil
		}
		c.says = clause("%s is routed to Service %s, which does not exist", r.where, b.Name)
		c.evidence = append(c.evidence, q.absent(k, in.Namespace, b.Name))
		if next := q.serviceAnswer(in.Namespace, b.Name); next != nil {
			for _, u := range next.units {
				c.evidence = append(c.evidence, u.cause.root().evidence...)
				if u.cause.root().id == "svc-deleted" {
					c.since = u.cause.root().since
				}
			}
		}
		return c
	}
	for i := range svc.Spec.Ports {
		sp := &svc.Spec.Ports[i]
		if b.Port.Name != "" && sp.Name == b.Port.Name || b.Port.Name == "" && sp.Port == b.Port.Number {
			return nil
		}
	}
	c.says = clause("%s is routed to port %s of Service %s, which has only %s", r.where, asked, b.Name, servicePorts(svc))
	c.evidence = append(c.evidence, q.see(svc, "/spec/ports", servicePorts(svc)))
	return c
}

// defaultClass marks the IngressClass that is given to Ingresses without one.
const defaultClass = "ingressclass.kubernetes.io/is-default-class"

// unclaimed: no controller can be seen to claim the Ingress. Some controllers
// need no IngressClass object, so this is a risk unless the class it names is
// missing.
func (q *inquiry) unclaimed(a *answer, in *networkingv1.Ingress) {
	if len(in.Status.LoadBalancer.Ingress) > 0 {
		return
	}
	q.aside(func() {
		k := kindOf[networkingv1.IngressClass]()
		name := ""
		if in.Spec.IngressClassName != nil {
			name = *in.Spec.IngressClassName
		}
		classes := list[networkingv1.IngressClass](q, store.Query{})
		if !q.covered(k, "") {
			return
		}
		why, path := "", "/spec/ingressClassName"
		if name != "" {
			why = "its IngressClass " + name + " does not exist"
		} else if in.Annotations["kubernetes.io/ingress.class"] == "" {
			why = "it names no IngressClass and none is the default"
		}
		for _, c := range classes {
			if c.Name == name || name == "" && c.Annotations[defaultClass] == "true" {
				why = ""
			}
		}
		if why == "" {
			if q.within(in.CreationTimestamp.Time, loadBalancer) {
				return
			}
			why, path = "no controller has given it an address", "/status/loadBalancer/ingress"
		}
		c := &cause{
			id: "ingress-unclaimed", subject: q.subject(in), certainty: Likely, since: in.CreationTimestamp.Time,
			says: clause("no controller seems to claim Ingress %s: %s", in.Name, why), evidence: []Evidence{q.see(in, path, name)},
			next: commands(command.Kubectl("get", "ingressclasses")),
		}
		a.risks = append(a.risks, c)
	})
}
