package analyzer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// virtualService and destinationRule are what is read of networking.istio.io: which
// subset of a host's Pods requests go to, and what labels those Pods have. Their fields are
// the same in v1alpha3, v1beta1 and v1 (networking/v1/virtual_service.proto and
// destination_rule.proto in istio/api).
type virtualService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		HTTP []meshRoutes `json:"http"`
		TCP  []meshRoutes `json:"tcp"`
		TLS  []meshRoutes `json:"tls"`
	} `json:"spec"`
}

type meshRoutes struct {
	Route []meshRoute `json:"route"`
}

type meshRoute struct {
	Destination struct {
		Host   string `json:"host"`
		Subset string `json:"subset"`
	} `json:"destination"`
	Weight int32 `json:"weight"`
}

type destinationRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Host    string `json:"host"`
		Subsets []struct {
			Name   string            `json:"name"`
			Labels map[string]string `json:"labels"`
		} `json:"subsets"`
	} `json:"spec"`
}

// subsets returns the subsets of a Service that a VirtualService sends requests to.
func (v *virtualService) subsets(svc *corev1.Service) []string {
	var names []string
	for _, routes := range slices.Concat(v.Spec.HTTP, v.Spec.TCP, v.Spec.TLS) {
		for i := range routes.Route {
			r := &routes.Route[i]
			gets := r.Weight > 0 || len(routes.Route) == 1 // the only destination needs no weight
			if gets && r.Destination.Subset != "" && isHost(r.Destination.Host, v.Namespace, svc) && !slices.Contains(names, r.Destination.Subset) {
				names = append(names, r.Destination.Subset)
			}
		}
	}
	slices.Sort(names)
	return names
}

// subset returns the labels of a subset of the rule's host; false if it has none of that
// name.
func (d *destinationRule) subset(name string) (labels.Set, bool) {
	for _, s := range d.Spec.Subsets {
		if s.Name == name {
			return s.Labels, true
		}
	}
	return nil, false
}

// isHost reports whether a host named in a namespace is the Service. A name without dots
// is that of a Service in the namespace of the object that names it.
func isHost(host, namespace string, svc *corev1.Service) bool {
	name, rest, _ := strings.Cut(host, ".")
	in, domain, _ := strings.Cut(rest, ".")
	return name == svc.Name && cmp.Or(in, namespace) == svc.Namespace && (domain == "" || domain == "svc" || strings.HasPrefix(domain, "svc."))
}

// emptySubsets: a mesh is told to send requests to a subset of the Service that has no
// ready Pod, or that no rule defines. Its proxies then answer 503 themselves. Whether
// clients have such a proxy, and what it has heard, stands in no object.
func (s *service) emptySubsets() []*cause {
	routing := meshObjects[virtualService](s.q)
	if len(routing) == 0 {
		return nil
	}
	var rules []*destinationRule
	for _, d := range meshObjects[destinationRule](s.q) {
		if isHost(d.Spec.Host, d.Namespace, s.svc) {
			rules = append(rules, d)
		}
	}
	var found []*cause
	for _, v := range routing {
		for _, name := range v.subsets(s.svc) {
			if c := s.emptySubset(v, rules, name); c != nil {
				found = append(found, c)
			}
		}
	}
	return found
}

func (s *service) emptySubset(v *virtualService, rules []*destinationRule, name string) *cause {
	routed := s.q.see(v, "/spec", "subset "+name)
	i := slices.IndexFunc(rules, func(d *destinationRule) bool { _, is := d.subset(name); return is })
	since := firstVersion(s.q, v, func(old *virtualService) bool { return slices.Contains(old.subsets(s.svc), name) })
	var c *cause
	if i < 0 {
		if !s.q.covered(kindOf[destinationRule](), "") {
			return nil // the rule may lie where nobody looked
		}
		c = s.cause("mesh-subset-empty", clause("VirtualService %s/%s sends requests to subset %s, which no DestinationRule of the Service defines: proxies of the mesh answer them with 503", v.Namespace, v.Name, name),
			routed, s.q.absent(kindOf[destinationRule](), s.svc.Namespace, ""))
		c.variant = "undefined"
		for _, d := range rules {
			for o, old := range past[destinationRule](s.q, d.Namespace, d.Name) {
				if _, had := old.subset(name); had {
					break
				}
				since = latest(since, o.Time)
			}
		}
		for _, o := range s.q.deleted(store.Query{Resource: kindOf[destinationRule]().resource}) {
			if d := As[destinationRule](o); d != nil && isHost(d.Spec.Host, d.Namespace, s.svc) {
				if _, had := d.subset(name); had {
					since = latest(since, o.Time)
				}
			}
		}
	} else {
		d := rules[i]
		want, _ := d.subset(name)
		selector := want.AsSelector()
		if len(want) == 0 || slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool {
			return kube.Ready(p) && !kube.Terminating(p) && selector.Matches(labels.Set(p.Labels))
		}) {
			return nil
		}
		c = s.cause("mesh-subset-empty", clause("VirtualService %s/%s sends requests to subset %s, and no ready Pod of the Service has its labels %s: proxies of the mesh answer them with 503", v.Namespace, v.Name, name, phrase.Pairs(want)),
			routed, s.q.see(d, "/spec/subsets", phrase.Pairs(want)))
		since = latest(since, firstVersion(s.q, d, func(old *destinationRule) bool {
			was, is := old.subset(name)
			return is && labels.Equals(was, want)
		}))
		since = latest(since, s.lastReadyOf(selector))
	}
	c.key, c.certainty, c.since = v.Namespace+"/"+v.Name+" "+name, Likely, since
	c.next = commands(command.Kubectl("get", "virtualservices.networking.istio.io,destinationrules.networking.istio.io", "-n", v.Namespace, "-o", "yaml"))
	return c
}

// meshObjects returns all objects of a kind. Most clusters have no mesh: that the kind is
// not there leaves nothing unknown.
func meshObjects[T any](q *inquiry) []*T {
	k := kindOf[T]()
	var all []*T
	for _, o := range q.view.List(store.Query{Resource: k.resource}) {
		if v := decode[T](q, k, o); v != nil {
			all = append(all, v)
		}
	}
	return all
}

// firstVersion is when an object first was as it is now in one respect, without having been
// otherwise since.
func firstVersion[T any](q *inquiry, v *T, same func(old *T) bool) time.Time {
	now := q.seen(v)
	at := now.Time
	n := 0
	for o, old := range past[T](q, now.Namespace, now.Name) {
		if n++; o.UID != now.UID || n > maxHistory || !same(old) {
			break
		}
		at = o.Time
	}
	return at
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lastReadyOf is when the last Pod that a selector matches stopped being ready, as far as
// that was recorded.
func (s *service) lastReadyOf(selector labels.Selector) (at time.Time) {
	for _, p := range s.pods {
		if c := kube.PodCondition(p, corev1.PodReady); selector.Matches(labels.Set(p.Labels)) && c != nil {
			at = latest(at, c.LastTransitionTime.Time)
		}
	}
	s.formerPods(func(o *Object, p *corev1.Pod) bool {
		if selector.Matches(labels.Set(p.Labels)) {
			at = latest(at, o.Time)
		}
		return true
	})
	return at
}
