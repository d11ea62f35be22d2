package analyzer

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/store"
)

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
				return q.notProgrammed(g, conditionPath(c.Type), ref.Name, c)
			}
		}
	}
	return nil
}

func (q *inquiry) notProgrammed(object any, path, gateway string, c metav1.Condition) *cause {
	why := sentence(c.Reason, c.Message)
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
	return &cause{
		id: "route-backend-unresolved", subject: q.subject(object), key: home + "/" + b.Name, certainty: Certain, since: route.CreationTimestamp.Time,
		says:     clause("the backend %s/%s of the route %s", home, b.Name, why),
		evidence: append([]Evidence{q.see(object, "/spec/rules/backendRefs", home+"/"+b.Name)}, evidence...),
		next:     commands(command.Kubectl("get", "services", "-n", home)),
	}
}

func (q *inquiry) backendProblem(object any, route *httpRoute, b *backendRef, home string) (why string, evidence []Evidence) {
	svc := get[corev1.Service](q, home, b.Name)
	k := kindOf[corev1.Service]()
	switch {
	case svc == nil && q.covered(k, home):
		return "does not exist", []Evidence{q.absent(k, home, b.Name)}
	case svc == nil:
		return "", nil
	case b.Port == nil:
		return "names no port", []Evidence{q.see(svc, "/spec/ports", servicePorts(svc))}
	case !slices.ContainsFunc(svc.Spec.Ports, func(sp corev1.ServicePort) bool { return sp.Port == *b.Port }):
		return fmt.Sprintf("has no port %d, only %s", *b.Port, servicePorts(svc)), []Evidence{q.see(svc, "/spec/ports", servicePorts(svc))}
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
