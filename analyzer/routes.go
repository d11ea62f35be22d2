package analyzer

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
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
	legs, result := phrase.Quantity(l.all, noun), kube.ResultOK
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
	c.says = clause("%s is routed to port %s of Service %s, which has only %s", r.where, asked, b.Name, phrase.ServicePorts(svc))
	c.evidence = append(c.evidence, q.see(svc, "/spec/ports", phrase.ServicePorts(svc)))
	q.asOldAs(c, in, svc)
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

// The Gateway API is made of custom resources; these are the parts of its
// types that are read.

type httpRoute struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ParentRefs []gatewayRef `json:"parentRefs"`
		Rules      []struct {
			BackendRefs []backendRef `json:"backendRefs"`
		} `json:"rules"`
	} `json:"spec"`
	Status struct {
		Parents []struct {
			ParentRef  gatewayRef         `json:"parentRef"`
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"parents"`
	} `json:"status"`
}

type grpcRoute struct{ httpRoute }

type gatewayRef struct {
	Kind      *string `json:"kind"`
	Name      string  `json:"name"`
	Namespace *string `json:"namespace"`
}

type backendRef struct {
	Kind      *string `json:"kind"`
	Name      string  `json:"name"`
	Namespace *string `json:"namespace"`
	Port      *int32  `json:"port"`
	Weight    *int32  `json:"weight"`
}

type gateway struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Status            struct {
		Conditions []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// RouteRefs returns what an HTTPRoute or GRPCRoute refers to: the Services behind it, in
// the order of the route, and the Gateways it is to be taken by; nothing of another object.
func RouteRefs(o *Object) (services, gateways []store.Ref) {
	var route *httpRoute
	switch o.Resource.Resource {
	case "httproutes":
		route = As[httpRoute](o)
	case "grpcroutes":
		route = &As[grpcRoute](o).httpRoute
	default:
		return nil, nil
	}
	for _, rule := range route.Spec.Rules {
		for _, b := range rule.BackendRefs {
			if or(b.Kind, "Service") == "Service" {
				services = append(services, store.Ref{Resource: kindOf[corev1.Service]().resource, Namespace: or(b.Namespace, o.Namespace), Name: b.Name})
			}
		}
	}
	for _, p := range route.Spec.ParentRefs {
		if or(p.Kind, "Gateway") == "Gateway" {
			gateways = append(gateways, store.Ref{Resource: kindOf[gateway]().resource, Namespace: or(p.Namespace, o.Namespace), Name: p.Name})
		}
	}
	return services, gateways
}

type referenceGrant struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		From []struct {
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
		} `json:"from"`
		To []struct {
			Kind string  `json:"kind"`
			Name *string `json:"name"`
		} `json:"to"`
	} `json:"spec"`
}

func or(value *string, otherwise string) string {
	if value == nil || *value == "" {
		return otherwise
	}
	return *value
}

// gatewayRoute answers for an HTTPRoute or GRPCRoute: do its Gateways take it,
// and does each backend lead to a Service that serves?
func (q *inquiry) gatewayRoute(kindName, namespace, name string) *answer {
	var object any
	var route *httpRoute
	if kindName == "GRPCRoute" {
		if r := get[grpcRoute](q, namespace, name); r != nil {
			object, route = r, &r.httpRoute
		}
	} else if r := get[httpRoute](q, namespace, name); r != nil {
		object, route = r, r
	}
	if route == nil {
		return q.nothing(kindsByName[kindName], namespace, name)
	}
	full := fmt.Sprintf("%s %s/%s", kindName, namespace, name)
	a := &answer{subject: q.subject(object), steady: route.CreationTimestamp.Time, steadyBut: "per status"}
	legs := routeLegs{answer: a}
	for i := range route.Spec.Rules {
		for j := range route.Spec.Rules[i].BackendRefs {
			b := &route.Spec.Rules[i].BackendRefs[j]
			if b.Weight != nil && *b.Weight == 0 || or(b.Kind, "Service") != "Service" {
				continue
			}
			home := or(b.Namespace, namespace)
			if c := q.unresolvedBackend(object, route, b, home); c != nil {
				legs.broken(c)
			} else {
				legs.lead(q.serviceAnswer(home, b.Name))
			}
		}
	}
	if c := q.refusedRoute(object, route); c != nil {
		legs.all, legs.bad = max(legs.all, 1), max(legs.all, 1)
		a.units = append([]unit{{kind: externalUnit, count: legs.all, cause: c}}, a.units...)
	}
	legs.close("gateway", full, "backend")
	return a
}

// refusedRoute: no Gateway takes the route, or the Gateway itself is not
// programmed. A condition of an older generation proves nothing.
func (q *inquiry) refusedRoute(object any, route *httpRoute) *cause {
	for _, p := range route.Status.Parents {
		for _, c := range p.Conditions {
			if c.Type == "Accepted" && c.Status != metav1.ConditionTrue && c.ObservedGeneration >= route.Generation {
				return q.notProgrammed(object, "/status/parents", p.ParentRef.Name, c)
			}
		}
	}
	for _, ref := range route.Spec.ParentRefs {
		if or(ref.Kind, "Gateway") != "Gateway" {
			continue
		}
		home := or(ref.Namespace, route.Namespace)
		g := get[gateway](q, home, ref.Name)
		if g == nil {
			if !q.covered(kindOf[gateway](), home) {
				continue
			}
			return q.notProgrammed(object, "/spec/parentRefs", ref.Name, metav1.Condition{Message: "it does not exist", LastTransitionTime: route.CreationTimestamp})
		}
		for _, c := range g.Status.Conditions {
			if (c.Type == "Programmed" || c.Type == "Accepted") && c.Status != metav1.ConditionTrue && c.ObservedGeneration >= g.Generation {
				return q.notProgrammed(g, phrase.ConditionPath(c.Type), ref.Name, c)
			}
		}
	}
	return nil
}

func (q *inquiry) notProgrammed(object any, path, gateway string, c metav1.Condition) *cause {
	why := phrase.Sentence(c.Reason, c.Message)
	return &cause{
		id: "gateway-not-programmed", variant: c.Reason, subject: q.subject(object), key: gateway, certainty: Certain, since: c.LastTransitionTime.Time,
		says:     clause("Gateway %s does not take the route: %s", gateway, why),
		evidence: []Evidence{q.see(object, path, why)},
		next:     commands(command.Kubectl("get", "gateways", "-A")),
	}
}

// unresolvedBackend: the backend names a Service or port that does not exist,
// or one in another namespace that does not permit it. The controller's own
// word counts only if it is about the present generation.
func (q *inquiry) unresolvedBackend(object any, route *httpRoute, b *backendRef, home string) *cause {
	why, evidence := q.backendProblem(object, route, b, home)
	if why == "" {
		return nil
	}
	show := "services"
	if evidence[0].Kind == kindOf[referenceGrant]().name {
		show = "referencegrants"
	}
	c := &cause{
		id: "route-backend-unresolved", subject: q.subject(object), key: home + "/" + b.Name, certainty: Certain, since: route.CreationTimestamp.Time,
		says:     clause("the backend %s/%s of the route %s", home, b.Name, why),
		evidence: append([]Evidence{q.see(object, "/spec/rules/backendRefs", home+"/"+b.Name)}, evidence...),
		next:     commands(command.Kubectl("get", show, "-n", home)),
	}
	if svc := get[corev1.Service](q, home, b.Name); show == "referencegrants" {
		c.since = q.ungrantedSince(home)
		c.onset = func() (time.Time, string) { return c.since, orEarlier }
	} else if m, ok := object.(metav1.Object); ok && svc != nil {
		q.asOldAs(c, m, svc)
	}
	return c
}

// ungrantedSince is when the last ReferenceGrant of a namespace was seen to go; when the
// recording began if none was: nothing tells of those that went before.
func (q *inquiry) ungrantedSince(home string) time.Time {
	at := q.view.Start()
	for _, o := range q.deleted(store.Query{Resource: kindOf[referenceGrant]().resource, Namespace: home}) {
		if o.Time.After(at) {
			at = o.Time
		}
	}
	return at
}

// backendProblem says why a backend cannot be reached, with what shows it; "" if it can.
func (q *inquiry) backendProblem(object any, route *httpRoute, b *backendRef, home string) (why string, evidence []Evidence) {
	svc := get[corev1.Service](q, home, b.Name)
	k := kindOf[corev1.Service]()
	switch {
	case svc == nil && q.covered(k, home):
		return "does not exist", []Evidence{q.absent(k, home, b.Name)}
	case svc == nil:
		return "", nil
	case b.Port == nil:
		return "names no port", []Evidence{q.see(svc, "/spec/ports", phrase.ServicePorts(svc))}
	case !slices.ContainsFunc(svc.Spec.Ports, func(sp corev1.ServicePort) bool { return sp.Port == *b.Port }):
		return fmt.Sprintf("has no port %d, only %s", *b.Port, phrase.ServicePorts(svc)), []Evidence{q.see(svc, "/spec/ports", phrase.ServicePorts(svc))}
	}
	if home != route.Namespace && !q.granted(q.subject(object).Kind, route.Namespace, home, b.Name) {
		return "is in another namespace, and no ReferenceGrant there permits it", []Evidence{q.absent(kindOf[referenceGrant](), home, "")}
	}
	return "", nil
}

// granted: a ReferenceGrant in the backend's namespace permits the route, or
// they are not known.
func (q *inquiry) granted(kindName, from, home, name string) bool {
	if !q.covered(kindOf[referenceGrant](), home) {
		return true
	}
	for _, g := range list[referenceGrant](q, store.Query{Namespace: home}) {
		for _, f := range g.Spec.From {
			for _, to := range g.Spec.To {
				if f.Kind == kindName && f.Namespace == from && to.Kind == "Service" && (to.Name == nil || *to.Name == "" || *to.Name == name) {
					return true
				}
			}
		}
	}
	return false
}
