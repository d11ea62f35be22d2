package analyzer

import (
	"slices"
	"strings"
)

// layer is where in the path of traffic a diagnosis lies. When two explain the
// same number of units, the lower one is the headline.
type layer int

const (
	definition layer = iota
	selection
	workloads
	nodes
	scheduling
	startup
	readiness
	endpoints
	external
	policy
	impact // follows from others; names what is lost, not why
)

// Severities, the worst first. The catalogue has the worst a diagnosis can be;
// a Finding has what it is, by impact.
const (
	outage   = "outage"
	degraded = "degraded"
	risk     = "risk"
	hint     = "hint"
	info     = "info"
)

var severities = []string{outage, degraded, risk, hint, info}

// Diagnosis is one line of the catalogue.
type Diagnosis struct {
	ID       string
	Severity string // the worst it can be: outage, degraded, risk, hint, info
	layer    layer
	Steps    string   // checklist codes it answers: "C1 C4"
	Kinds    []string // kinds it cannot be decided without, besides that of its subject
	Meaning  string   // one sentence
}

// catalogue lists every diagnosis there is. Ids are a contract: they stand in
// reports and scripts, and never change.
var catalogue = []Diagnosis{
	// The Service and its definition.
	{"svc-missing", outage, definition, "C1 C4", on("Service"), "There is no Service with this name, so its DNS name does not resolve."},
	{"svc-deleted", outage, definition, "C1 C4", on("Service"), "The Service was deleted; its virtual IP and name are gone."},
	{"svc-terminating", outage, definition, "C1", on("Service", "Namespace"), "The Service or its Namespace is being deleted, and gets no new EndpointSlices."},
	{"svc-selectorless-no-endpoints", outage, definition, "C1 C3", on("EndpointSlice"), "Without a selector endpoints must be made by hand or by another controller, and there are none."},
	{"svc-port-undefined", outage, definition, "C5", on("Service"), "The Service does not expose the port that is asked for."},
	{"svc-recreated", risk, definition, "C1 C5", on("Service"), "The Service was deleted and made again: clients that kept the old cluster IP fail."},
	{"svc-allocation-conflict", outage, definition, "C5", on("Service", "Event"), "The cluster IP or node port of the Service is not its own."},
	{"svc-not-proxied", outage, definition, "C6", nil, "A label leaves the Service to another proxy than kube-proxy."},
	{"externalname-dead-target", outage, definition, "C4", on("Service", "EndpointSlice"), "The Service is an alias for another Service, which does not serve."},
	{"externalname-loop", outage, definition, "C4", on("Service"), "The alias leads back to itself."},
	{"externalname-misfit", outage, definition, "C4", nil, "An ExternalName is a DNS alias; it cannot carry an IP, ports or a selector."},

	// Selection.
	{"selector-matches-nothing", outage, selection, "C1", on("Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"), "No Pod and no workload carries the labels the Service selects."},
	{"selector-typo", outage, selection, "C1", on("Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"), "The selector is one label away from a workload that exists."},
	{"selector-edited", outage, selection, "C1", on("Service", "Pod"), "The selector was changed, and healthy Pods no longer match."},
	{"pods-detached-by-label", outage, selection, "C1", on("Pod"), "Pods lost the labels the Service selects."},
	{"selected-workload-has-no-pods", outage, selection, "C1 C2", on("Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"), "The workload of the Service has no Pods at present."},
	{"selected-pods-all-terminal", outage, selection, "C1 C2", on("Pod"), "Every matching Pod has finished, and finished Pods are never endpoints."},
	{"selector-too-broad", degraded, selection, "C1", on("Pod", "Deployment", "StatefulSet", "DaemonSet", "Job"), "The selector mixes Pods of different programs."},
	{"workload-not-selected", outage, selection, "C1", on("Service"), "No Service selects these Pods."},

	// Workloads.
	{"workload-scaled-to-zero", outage, workloads, "C2", on("Deployment", "StatefulSet", "DaemonSet"), "The wanted number of replicas is zero."},
	{"workload-deleted", outage, workloads, "C2", on("Deployment", "StatefulSet", "DaemonSet", "Pod"), "The workload that made the Service's Pods was deleted."},
	{"autoscaler-scaled-down", degraded, workloads, "C2", on("HorizontalPodAutoscaler", "Event"), "An autoscaler reduced the replicas."},
	{"replica-create-failed", outage, workloads, "C2", on("ReplicaSet", "Event"), "The API server rejects new Pods of the workload."},
	{"statefulset-blocked", outage, workloads, "C2", on("StatefulSet", "Pod"), "A StatefulSet makes and updates its Pods one by one, and waits for one of them."},
	{"controller-behind", degraded, workloads, "C2", nil, "The last change to the workload has not been processed yet."},
	{"control-plane-stalled", outage, workloads, "C3", on("Lease"), "A component of the control plane stopped renewing its lease: nothing is updated."},
	{"rollout-cut-capacity", outage, workloads, "C2", on("Deployment", "ReplicaSet"), "The rollout stopped old Pods before new ones were ready, as its strategy allows."},
	{"rollout-stuck", degraded, workloads, "C2", on("Deployment"), "The rollout made no progress within its deadline."},
	{"rollout-in-progress", degraded, workloads, "C2", on("Deployment"), "A new revision is rolling out."},
	{"rollout-paused", info, workloads, "C2", on("Deployment", "ReplicaSet"), "Changes are not rolled out because the Deployment is paused."},
	{"new-revision-unhealthy", degraded, workloads, "C2", on("Deployment", "ReplicaSet"), "The Pods of the new revision do not become available; the old revision serves on."},
	{"daemonset-gaps", degraded, workloads, "C2", on("DaemonSet"), "Some nodes that should run a Pod of the DaemonSet have no ready one."},
	{"hpa-cannot-scale", degraded, workloads, "C2", on("HorizontalPodAutoscaler"), "The autoscaler cannot compute or apply a scale."},
	{"pdb-blocks-eviction", hint, workloads, "", on("PodDisruptionBudget", "Pod"), "A disruption budget allows no eviction, so a drain cannot go on."},
	{"image-change-preceded-failure", info, workloads, "C2", on("ReplicaSet"), "Only Pods with the new image fail."},
	{"config-change-preceded-failure", info, workloads, "C2", on("ConfigMap", "Secret"), "Configuration the failing containers use changed before they started."},
	{"deletion-order", info, workloads, "C1 C2 C3", on("ConfigMap", "Secret"), "Something was deleted that the survivors need."},

	// Nodes.
	{"node-not-ready", outage, nodes, "C2", on("Node"), "A node stopped reporting or is not ready, and its Pods are out of service."},
	{"node-network-unavailable", outage, nodes, "C5", on("Node", "Event"), "The network of a node is not set up."},
	{"node-draining", degraded, nodes, "C2", on("Node", "Pod"), "A node is being drained; its Pods were evicted."},
	{"endpoint-node-missing", degraded, nodes, "C2 C3", on("Node"), "The Pod's Node object is gone, so the Pod is left out of the endpoints."},
	{"kube-proxy-missing", outage, nodes, "C6", on("DaemonSet", "Pod", "Node"), "A node has no working kube-proxy: its rules are not updated."},

	// Scheduling.
	{"pod-unschedulable", outage, scheduling, "C2", nil, "The scheduler found no node for the Pod."},
	{"pod-scheduling-gated", outage, scheduling, "C2", nil, "Scheduling gates must be removed before the scheduler looks at the Pod."},
	{"pod-ignored-by-scheduler", outage, scheduling, "C2", nil, "No scheduler has tried the Pod."},
	{"pod-disrupted", outage, scheduling, "C2", nil, "The cluster removed the Pod: drain, taint, preemption or pressure."},

	// Start.
	{"volume-unavailable", outage, startup, "C2", on("PersistentVolumeClaim", "Event"), "A volume the Pod needs is not there."},
	{"pod-sandbox-failed", outage, startup, "C2 C5", on("Event"), "The node could not set up the Pod's sandbox or network."},
	{"pod-stalled-on-node", outage, startup, "C2", on("Node"), "The node has not begun to start the Pod."},
	{"image-pull-failed", outage, startup, "C2", nil, "A container image cannot be pulled."},
	{"container-config-error", outage, startup, "C2", nil, "A ConfigMap, Secret or key that a container needs does not exist."},
	{"container-start-error", outage, startup, "C2", nil, "The runtime refused to start a container."},
	{"oom-killed", outage, startup, "C2", nil, "A container was killed for exceeding its memory limit."},
	{"liveness-killing", outage, startup, "C2", on("Event"), "The kubelet restarts a container because its liveness or startup probe fails."},
	{"crash-loop", outage, startup, "C2", nil, "A container keeps exiting."},
	{"container-completed", degraded, startup, "C2", nil, "A container ended and will not be restarted."},
	{"init-blocking", outage, startup, "C2", nil, "An init container has not finished."},
	{"pod-stuck-terminating", degraded, startup, "C2 C3", nil, "A deleted Pod does not go away."},

	// Readiness.
	{"startup-probe-pending", outage, readiness, "C2", nil, "The startup probe has not passed yet."},
	{"readiness-probe-failing", outage, readiness, "C2", nil, "A container runs but its readiness probe fails."},
	{"readiness-gate-blocking", outage, readiness, "C2", nil, "A readiness gate is not confirmed by its controller."},
	{"pod-notready-by-node-controller", outage, readiness, "C2", on("Node"), "The control plane lost the node and took its Pods out of service."},
	{"readiness-flapping", degraded, readiness, "C2 C3", on("Pod"), "Pods keep going in and out of service."},
	{"readiness-not-covering-port", hint, readiness, "C2", nil, "Nothing probes the port the Service sends to."},

	// Endpoints.
	{"target-port-name-unresolved", outage, endpoints, "C1 C3", on("Pod"), "The Service's targetPort names a port the Pods do not have."},
	{"target-port-undeclared", hint, endpoints, "C3", on("Pod"), "The Pods declare another port than the one the Service sends to."},
	{"slice-invisible-to-proxy", outage, endpoints, "C3 C6", on("EndpointSlice"), "An EndpointSlice exists, but kube-proxy cannot use it."},
	{"ip-family-mismatch", outage, endpoints, "C3 C5", on("Pod"), "No Pod has an address of the Service's family."},
	{"endpointslice-missing", outage, endpoints, "C3", on("EndpointSlice"), "The controller has written no EndpointSlice."},
	{"endpointslice-stale", outage, endpoints, "C3", on("EndpointSlice", "Pod"), "The EndpointSlices do not match the Pods."},
	{"slices-frozen", outage, endpoints, "C1 C3", on("EndpointSlice", "Pod"), "The selector is gone; the endpoints stay as they were then."},
	{"foreign-endpointslice", risk, endpoints, "C3", on("EndpointSlice"), "Traffic is shared with a slice that somebody else manages."},
	{"publish-not-ready", degraded, endpoints, "C2 C3", on("EndpointSlice"), "Pods that are not ready get traffic, as the Service asks."},
	{"duplicate-pod-ip", degraded, endpoints, "C5", on("Pod"), "Two Pods have one address."},
	{"endpoints-not-mirrored", outage, endpoints, "C3", on("Endpoints", "EndpointSlice"), "Endpoints made by hand are not copied into EndpointSlices."},
	{"endpoints-truncated", info, endpoints, "C3", on("Endpoints"), "The old Endpoints object holds only the first 1000 addresses."},
	{"topology-concentration", risk, endpoints, "C5", on("EndpointSlice", "Node"), "Topology hints send a node's clients to few endpoints."},
	{"headless-port-mapping-ignored", hint, endpoints, "C5", nil, "A headless Service does not map ports: clients must use the Pods' port."},
	{"governing-service-mismatch", degraded, endpoints, "C4", on("Service", "StatefulSet"), "The StatefulSet's Service cannot give its Pods their names."},
	{"hostnetwork-backends", info, endpoints, "C5 C8", on("Pod"), "The Pods use their nodes' network: their endpoints are node addresses."},
	{"endpoint-lag", degraded, endpoints, "C3", on("EndpointSlice", "Pod"), "Endpoints follow the Pods too slowly."},
	{"terminated-before-drained", risk, endpoints, "C3", on("EndpointSlice", "Pod"), "Pods exit before proxies stop sending to them."},

	// From outside.
	{"lb-pending", outage, external, "C7", nil, "The Service has no external address yet; in-cluster access is unaffected."},
	{"lb-status-error", degraded, external, "C7", nil, "The load balancer reports an error for the Service."},
	{"lb-address-changed", degraded, external, "C7", on("Service"), "The external address changed: DNS records may still have the old one."},
	{"lb-source-ranges", hint, external, "C7", nil, "Only some client addresses may use the load balancer."},
	{"externalips-unmanaged", hint, external, "C7", nil, "Nothing in Kubernetes routes the external IPs of the Service."},
	{"etp-local-gaps", outage, external, "C7", on("EndpointSlice", "Node"), "externalTrafficPolicy Local: nodes without a local endpoint drop external traffic."},
	{"itp-local-gaps", outage, external, "C5", on("EndpointSlice", "Node"), "internalTrafficPolicy Local: clients on nodes without a local endpoint get timeouts."},
	{"ingress-backend-broken", outage, external, "C7", on("Ingress", "Service"), "An Ingress names a Service or port that does not exist."},
	{"ingress-unclaimed", outage, external, "C7", on("IngressClass"), "No controller claims the Ingress."},
	{"route-backend-unresolved", outage, external, "C7", on("Service", "ReferenceGrant"), "A Gateway route names a Service or port that does not exist or is not permitted."},
	{"gateway-not-programmed", outage, external, "C7", on("Gateway"), "No Gateway takes the route, or the Gateway is not programmed."},
	{"cluster-dns-down", outage, external, "C4", on("Service", "EndpointSlice"), "Cluster DNS has no endpoints: no name resolves."},

	// Policy: never more than hints, as enforcement cannot be seen in objects.
	{"netpol-denies-ingress", hint, policy, "C8", on("NetworkPolicy"), "NetworkPolicies admit nobody, or only some, to the Pods."},
	{"netpol-wrong-port", hint, policy, "C8", on("NetworkPolicy"), "A NetworkPolicy allows a port the Pods do not use."},
	{"netpol-client-egress", hint, policy, "C8", on("NetworkPolicy"), "NetworkPolicies keep the client from the Pods or from DNS."},

	// Impact.
	{"no-usable-endpoints", outage, impact, "C3 C5", on("EndpointSlice"), "The Service has no usable endpoint: connections are refused."},
	{"headless-no-addresses", outage, impact, "C3 C4", on("EndpointSlice"), "No Pod is ready, so the headless name does not resolve."},
	{"endpoints-partial", degraded, impact, "C2 C3", on("EndpointSlice"), "Fewer endpoints than wanted."},
	{"only-terminating-endpoints", degraded, impact, "C3", on("EndpointSlice"), "Only Pods that are shutting down still serve."},
	{"all-endpoints-lost-at-once", outage, impact, "C3", on("EndpointSlice"), "All endpoints were lost within seconds."},
	{"pods-not-ready", degraded, impact, "C2", nil, "Pods are not ready yet, and nothing says why."},
	{"pod-terminating", info, impact, "C2", nil, "The Pod was deleted and is about to go."},
	{"subject-missing", info, impact, "", nil, "There is no such object."},
	{"subject-deleted", info, impact, "", nil, "The object was deleted."},
	{"recording-gap", info, impact, "", nil, "The recording has a hole where the answer would be."},
}

func on(kinds ...string) []string { return kinds }

var (
	byID = map[string]*Diagnosis{}
	_    = indexCatalogue()
)

func indexCatalogue() bool {
	for i := range catalogue {
		byID[catalogue[i].ID] = &catalogue[i]
	}
	return true
}

// Catalogue returns all diagnoses, in the order of the path of traffic.
func Catalogue() []Diagnosis { return slices.Clone(catalogue) }

// hasStep reports whether the diagnosis answers a step of the checklist.
func (d *Diagnosis) hasStep(code string) bool { return strings.Contains(d.Steps, code) }

// needing lists the diagnoses that cannot be decided without one of the kinds.
func needing(kinds []string) []string {
	var ids []string
	for _, d := range catalogue {
		if slices.ContainsFunc(d.Kinds, func(k string) bool { return slices.Contains(kinds, k) }) {
			ids = append(ids, d.ID)
		}
	}
	return ids
}
