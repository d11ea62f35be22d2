package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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

// holes lists the scopes of a kind that were looked at and are not covered.
func (q *inquiry) holes(kind string) []scope {
	var found []scope
	for s, ok := range q.looked {
		if !ok && s.kind == kind {
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
	case store.Current:
		return "could not all be decoded"
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
