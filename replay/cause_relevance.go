package replay

import (
	"slices"
	"strings"
	"time"
)

// relevance says which changes to objects of some kinds can explain a root
// cause.
type relevance struct {
	resources []string
	paths     []string      // prefixes of fields that matter
	whole     bool          // creation and deletion matter
	within    time.Duration // how long before the onset; 0 is without limit
}

// Windows: how long before its onset a cause may lie. Selection takes effect at
// once. A new template has its whole rollout. Configuration waits for the next
// start of a container, however long that takes, and so do objects that are
// only asked for when a Pod is made.
const (
	atOnce  = 30 * time.Second
	soon    = 2 * time.Minute
	rollout = 20 * time.Minute
	latent  = 0
)

var (
	podMakers = []string{"deployments", "statefulsets", "daemonsets", "replicationcontrollers", "jobs"}

	selection = []relevance{
		{[]string{"services"}, []string{"/spec/selector", "/spec/type"}, true, atOnce},
		{[]string{"pods"}, []string{"/metadata/labels"}, false, atOnce},
		{podMakers, []string{"/spec/template/metadata/labels"}, true, rollout},
		{[]string{"namespaces"}, nil, true, soon},
	}
	portNames = []relevance{
		{[]string{"services"}, []string{"/spec/ports"}, false, atOnce},
		{podMakers, []string{"/spec/template/spec/containers", "/spec/template/spec/initContainers"}, false, rollout},
	}
	definition = []relevance{
		{[]string{"services"}, []string{"/spec", "/metadata/annotations", "/metadata/labels"}, true, atOnce},
		{[]string{"endpointslices", "endpoints"}, []string{"/endpoints", "/ports", "/subsets"}, true, atOnce},
	}
	scaling = []relevance{
		{podMakers, []string{"/spec/replicas"}, true, soon},
		{[]string{"horizontalpodautoscalers"}, []string{"/spec"}, true, soon},
	}
	creation = []relevance{
		{[]string{"resourcequotas", "limitranges"}, []string{"/spec"}, true, latent},
		{[]string{"serviceaccounts"}, nil, true, latent},
		{[]string{"namespaces"}, []string{"/metadata/labels"}, true, latent},
		{podMakers, []string{"/spec/template", "/spec/replicas"}, true, rollout},
	}
	placement = []relevance{
		{podMakers, []string{"/spec/template/spec"}, true, rollout},
		{[]string{"nodes"}, []string{"/spec", "/metadata/labels"}, true, latent},
		{[]string{"persistentvolumeclaims", "storageclasses"}, []string{"/spec"}, true, latent},
	}
	images = []relevance{
		{podMakers, []string{"/spec/template/spec/containers", "/spec/template/spec/initContainers", "/spec/template/spec/imagePullSecrets"}, true, rollout},
		{[]string{"secrets"}, []string{"/data", "/type"}, true, latent},
		{[]string{"serviceaccounts"}, []string{"/imagePullSecrets"}, true, latent},
	}
	configuration = []relevance{
		{[]string{"configmaps", "secrets"}, []string{"/data", "/binaryData"}, true, latent},
		{[]string{"persistentvolumeclaims"}, nil, true, latent},
		{podMakers, []string{"/spec/template"}, true, rollout},
	}
	gates = []relevance{
		{podMakers, []string{"/spec/template/spec/schedulingGates"}, true, rollout},
		{[]string{"pods"}, []string{"/spec/schedulingGates"}, false, soon},
	}
	stalled = []relevance{
		{[]string{"nodes"}, []string{"/spec", "/status/conditions[type=Ready]/status"}, true, soon},
		{podMakers, []string{"/spec/template", "/spec/replicas"}, true, rollout},
	}
	nodeState = []relevance{
		{[]string{"nodes"}, []string{"/spec", "/metadata/labels", "/status/conditions[type=Ready]/status"}, true, soon},
	}
	strategy = []relevance{
		{podMakers, []string{"/spec/strategy", "/spec/updateStrategy", "/spec/replicas", "/spec/template", "/spec/paused", "/spec/minReadySeconds"}, true, rollout},
	}
	policies = []relevance{
		{[]string{"networkpolicies"}, []string{"/spec"}, true, soon},
		{[]string{"pods", "namespaces"}, []string{"/metadata/labels"}, false, soon},
	}
	loadBalancers = []relevance{
		{[]string{"services"}, []string{"/spec", "/metadata/annotations", "/status/loadBalancer"}, true, soon},
		{[]string{"nodes"}, []string{"/metadata/labels", "/spec/taints"}, true, soon},
	}
	routes = []relevance{
		{[]string{"ingresses", "ingressclasses", "httproutes", "gateways"}, []string{"/spec"}, true, soon},
		{[]string{"services"}, []string{"/spec/ports", "/spec/type"}, true, soon},
	}
	// pauses hold back what was changed, whatever that is.
	pauses = []relevance{{[]string{"deployments"}, []string{"/spec/paused"}, false, soon}}
	// webhooks are in the reach only where a report names them.
	webhooks = []relevance{{[]string{"validatingwebhookconfigurations", "mutatingwebhookconfigurations"}, []string{"/webhooks"}, true, latent}}
	// removal: Pods that somebody deletes are lost whatever else is wrong.
	removal = []relevance{{[]string{"pods"}, nil, true, soon}}
)

// explaining maps diagnoses to what can explain them. Those that only say that
// endpoints are missing can come from anything.
var explaining = map[string][]relevance{
	"selector-edited":                 {},
	"selector-typo":                   selection,
	"selector-matches-nothing":        selection,
	"pods-detached-by-label":          selection,
	"workload-deleted":                selection,
	"selected-workload-has-no-pods":   slices.Concat(selection, scaling, creation),
	"target-port-name-unresolved":     portNames,
	"workload-scaled-to-zero":         scaling,
	"autoscaler-scaled-down":          scaling,
	"replica-create-failed":           creation,
	"pod-unschedulable":               placement,
	"pod-scheduling-gated":            gates,
	"pod-stalled-on-node":             stalled,
	"volume-unavailable":              slices.Concat(placement, configuration),
	"image-pull-failed":               images,
	"container-config-error":          configuration,
	"container-start-error":           configuration,
	"crash-loop":                      configuration,
	"oom-killed":                      configuration,
	"liveness-killing":                configuration,
	"container-completed":             configuration,
	"init-blocking":                   configuration,
	"startup-probe-pending":           configuration,
	"readiness-probe-failing":         configuration,
	"readiness-gate-blocking":         configuration,
	"new-revision-unhealthy":          slices.Concat(configuration, placement),
	"rollout-stuck":                   slices.Concat(configuration, placement),
	"rollout-in-progress":             slices.Concat(strategy, scaling),
	"rollout-cut-capacity":            strategy,
	"node-not-ready":                  nodeState,
	"node-draining":                   nodeState,
	"node-network-unavailable":        nodeState,
	"endpoint-node-missing":           nodeState,
	"pod-notready-by-node-controller": nodeState,
	"pod-disrupted":                   slices.Concat(nodeState, placement),
	"netpol-denies-ingress":           policies,
	"netpol-wrong-port":               policies,
	"lb-pending":                      loadBalancers,
	"lb-status-error":                 loadBalancers,
	"lb-address-changed":              loadBalancers,
	"etp-local-gaps":                  slices.Concat(loadBalancers, placement),
	"itp-local-gaps":                  slices.Concat(definition, placement),
	"ingress-backend-broken":          routes,
	"route-backend-unresolved":        routes,
}

// relevant returns the rules for a diagnosis.
func relevant(id string) []relevance {
	always := slices.Concat(selection, definition, removal, pauses, webhooks)
	if rules, known := explaining[id]; known {
		return append(always, rules...)
	}
	return slices.Concat(always, scaling, strategy, portNames, configuration, nodeState)
}

// explains returns the fields of a change that matter under the rules, and the
// longest window in which they do; whole is true where its creation or deletion
// matters.
func explains(rules []relevance, c *Change) (matter []Field, whole bool, within time.Duration) {
	within = -1
	wider := func(w time.Duration) {
		if within != latent && (w == latent || w > within) {
			within = w
		}
	}
	for _, r := range rules {
		if !slices.Contains(r.resources, c.ref.Resource.Resource) {
			continue
		}
		if c.Verb != Updated && r.whole {
			whole = true
			wider(r.within)
		}
		for _, f := range c.all {
			if slices.ContainsFunc(r.paths, func(p string) bool { return strings.HasPrefix(f.Path, p) }) {
				if !slices.ContainsFunc(matter, func(m Field) bool { return m.Path == f.Path }) {
					matter = append(matter, f)
				}
				wider(r.within)
			}
		}
	}
	return matter, whole, within
}
