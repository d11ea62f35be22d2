package registry

import (
	"slices"
	"time"
)

// ChangeRule says which changes to objects of some resources can explain a
// diagnosis.
type ChangeRule struct {
	Resources []string
	Paths     []string      // prefixes of fields that matter
	Existence bool          // creation and deletion matter
	Within    time.Duration // how long before the onset; Latent is without limit
}

// Windows: how long before its onset a cause may lie. Selection takes effect at
// once. A new template has its whole rollout. Configuration waits for the next
// start of a container, however long that takes, and so do objects that are
// only asked for when a Pod is made.
const (
	atOnce     = 30 * time.Second
	Soon       = 2 * time.Minute
	rollingOut = 20 * time.Minute
	Latent     = 0
)

var (
	// PodMakers are the resources whose objects have a template of Pods.
	PodMakers = []string{"deployments", "statefulsets", "daemonsets", "replicationcontrollers", "jobs"}

	selectionChanges = []ChangeRule{
		{[]string{"services"}, []string{"/spec/selector", "/spec/type"}, true, atOnce},
		{[]string{"pods"}, []string{"/metadata/labels"}, false, atOnce},
		{PodMakers, []string{"/spec/template/metadata/labels"}, true, rollingOut},
		{[]string{"namespaces"}, nil, true, Soon},
	}
	portChanges = []ChangeRule{
		{[]string{"services"}, []string{"/spec/ports"}, false, atOnce},
		{PodMakers, []string{"/spec/template/spec/containers", "/spec/template/spec/initContainers"}, false, rollingOut},
	}
	serviceChanges = []ChangeRule{
		{[]string{"services"}, []string{"/spec", "/metadata/annotations", "/metadata/labels"}, true, atOnce},
		{[]string{"endpointslices", "endpoints"}, []string{"/endpoints", "/ports", "/subsets"}, true, atOnce},
	}
	scaleChanges = []ChangeRule{
		{PodMakers, []string{"/spec/replicas"}, true, Soon},
		{[]string{"horizontalpodautoscalers"}, []string{"/spec"}, true, Soon},
		// A DaemonSet has as many Pods as there are Nodes that it wants.
		{[]string{"daemonsets"}, []string{"/spec/template/spec/nodeSelector", "/spec/template/spec/affinity", "/spec/template/spec/tolerations"}, false, Soon},
		{[]string{"nodes"}, []string{"/metadata/labels", "/spec/taints"}, true, Soon},
	}
	createChanges = []ChangeRule{
		{[]string{"resourcequotas", "limitranges"}, []string{"/spec"}, true, Latent},
		{[]string{"serviceaccounts"}, nil, true, Latent},
		{[]string{"namespaces"}, []string{"/metadata/labels"}, true, Latent},
		{[]string{"priorityclasses"}, nil, true, Latent},
		{[]string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"}, []string{"/spec"}, true, Latent},
		{PodMakers, []string{"/spec/template", "/spec/replicas", "/spec/strategy", "/spec/updateStrategy"}, true, rollingOut},
	}
	// mutatorChanges rewrite Pods that are made from then on.
	mutatorChanges = []ChangeRule{
		{[]string{"mutatingwebhookconfigurations", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"}, []string{"/webhooks", "/spec"}, true, Latent},
	}
	// meshChanges are to where a mesh sends requests, and to the Pods that it finds there.
	meshChanges = []ChangeRule{
		{[]string{"virtualservices", "destinationrules"}, []string{"/spec"}, true, Soon},
		{PodMakers, []string{"/spec/template/metadata/labels", "/spec/replicas"}, true, rollingOut},
		{[]string{"pods"}, []string{"/metadata/labels"}, false, Soon},
	}
	// templateChanges make new Pods.
	templateChanges  = []ChangeRule{{PodMakers, []string{"/spec/template"}, true, rollingOut}}
	placementChanges = []ChangeRule{
		{PodMakers, []string{"/spec/template/spec", "/spec/strategy", "/spec/updateStrategy"}, true, rollingOut}, // old Pods that may go make room
		{[]string{"nodes"}, []string{"/spec", "/metadata/labels"}, true, Latent},
		{[]string{"persistentvolumeclaims", "storageclasses", "persistentvolumes"}, []string{"/spec"}, true, Latent},
	}
	imageChanges = []ChangeRule{
		{PodMakers, []string{"/spec/template/spec/containers", "/spec/template/spec/initContainers", "/spec/template/spec/imagePullSecrets"}, true, rollingOut},
		{[]string{"secrets"}, []string{"/data", "/type"}, true, Latent},
		{[]string{"serviceaccounts"}, []string{"/imagePullSecrets"}, true, Latent},
	}
	configChanges = []ChangeRule{
		{[]string{"configmaps", "secrets"}, []string{"/data", "/binaryData"}, true, Latent},
		{[]string{"persistentvolumeclaims"}, nil, true, Latent},
		{PodMakers, []string{"/spec/template"}, true, rollingOut},
	}
	openingChanges = []ChangeRule{ // who opens a readiness gate closes it
		{[]string{"pods"}, []string{"/status/conditions"}, false, atOnce},
	}
	gateChanges = []ChangeRule{
		{PodMakers, []string{"/spec/template/spec/schedulingGates"}, true, rollingOut},
		{[]string{"pods"}, []string{"/spec/schedulingGates"}, false, Soon},
	}
	stallChanges = []ChangeRule{
		{[]string{"nodes"}, []string{"/spec", "/status/conditions[type=Ready]/status"}, true, Soon},
		{PodMakers, []string{"/spec/template", "/spec/replicas"}, true, rollingOut},
	}
	nodeChanges = []ChangeRule{
		{[]string{"nodes"}, []string{"/spec", "/metadata/labels", "/status/conditions[type=Ready]/status"}, true, Soon},
	}
	strategyChanges = []ChangeRule{
		{PodMakers, []string{"/spec/strategy", "/spec/updateStrategy", "/spec/replicas", "/spec/template", "/spec/paused", "/spec/minReadySeconds"}, true, rollingOut},
	}
	policyChanges = []ChangeRule{
		{[]string{"networkpolicies"}, []string{"/spec"}, true, Soon},
		{[]string{"pods", "namespaces"}, []string{"/metadata/labels"}, false, Soon},
	}
	balancerChanges = []ChangeRule{
		{[]string{"services"}, []string{"/spec", "/metadata/annotations", "/status/loadBalancer"}, true, Soon},
		{[]string{"nodes"}, []string{"/metadata/labels", "/spec/taints"}, true, Soon},
	}
	routeChanges = []ChangeRule{
		{[]string{"ingresses", "ingressclasses", "httproutes", "grpcroutes", "gateways", "referencegrants"}, []string{"/spec"}, true, Soon},
		{[]string{"services"}, []string{"/spec/ports", "/spec/type"}, true, Soon},
	}
	// pauseChanges hold back what was changed, whatever that is.
	pauseChanges = []ChangeRule{{[]string{"deployments"}, []string{"/spec/paused"}, false, Soon}}
	// webhookChanges are in the reach only where a report names them.
	webhookChanges = []ChangeRule{{[]string{"validatingwebhookconfigurations", "mutatingwebhookconfigurations"}, []string{"/webhooks"}, true, Latent}}
	// writeChanges are to what may refuse any write.
	writeChanges = slices.Concat(webhookChanges, []ChangeRule{{[]string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"}, []string{"/spec"}, true, Latent}})
	// removalChanges: Pods that somebody deletes are lost whatever else is wrong.
	removalChanges = []ChangeRule{{[]string{"pods"}, nil, true, Soon}}
)

var (
	// alwaysChanges can explain any diagnosis.
	alwaysChanges = slices.Concat(selectionChanges, serviceChanges, removalChanges, pauseChanges, webhookChanges)
	// anyChange: what only says that endpoints are missing can come from anything.
	anyChange = slices.Concat(scaleChanges, strategyChanges, portChanges, configChanges, nodeChanges)
	// noFurther: nothing but what can explain any.
	noFurther = []ChangeRule{}
)
