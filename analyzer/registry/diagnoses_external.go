package registry

import "slices"

// externalDiagnoses: from outside.
func externalDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "lb-pending", Severity: Outage, Layer: External, Steps: "C7",
			Meaning: "The Service has no external address yet; in-cluster access is unaffected.",
			Trap:    "Within 60 s, or with a class nobody here implements.",
			Changes: balancerChanges, Rule: "service.pendingLoadBalancer",
		},
		{
			ID: "lb-status-error", Severity: Degraded, Layer: External, Steps: "C7",
			Meaning: "The load balancer reports an error for the Service.",
			Trap:    "The error is of a port that is gone.",
			Changes: balancerChanges, Rule: "service.balancerErrors",
		},
		{
			ID: "lb-address-changed", Severity: Degraded, Layer: External, Steps: "C7", Kinds: on("Service"),
			Meaning: "The external address changed: DNS records may still have the old one.",
			Trap:    "The first address it ever gets.",
			Changes: balancerChanges, Rule: "service.addressChanged",
		},
		{
			ID: "lb-source-ranges", Severity: Hint, Layer: External, Steps: "C7",
			Meaning: "Only some client addresses may use the load balancer.",
			Trap:    "A range that admits everybody.",
			Changes: anyChange, Rule: "service.sourceRanges", Sees: map[string]int{"timeout": 4},
		},
		{
			ID: "externalips-unmanaged", Severity: Hint, Layer: External, Steps: "C7",
			Meaning: "Nothing in Kubernetes routes the external IPs of the Service.",
			Trap:    "The address is that of a node.",
			Changes: anyChange, Rule: "service.externalIPs",
		},
		{
			ID: "etp-local-gaps", Severity: Outage, Layer: External, Steps: "C7", Kinds: on("EndpointSlice", "Node"),
			Meaning: "externalTrafficPolicy Local: nodes without a local endpoint drop external traffic.",
			Trap:    "A health check keeps the balancer away from such nodes: only node ports fail.",
			Changes: slices.Concat(balancerChanges, placementChanges), Rule: "service.ways", Sees: map[string]int{"timeout": 7},
		},
		{
			ID: "itp-local-gaps", Severity: Outage, Layer: External, Steps: "C5", Kinds: on("EndpointSlice", "Node"),
			Meaning: "internalTrafficPolicy Local: clients on nodes without a local endpoint get timeouts.",
			Trap:    "A node that runs no clients.",
			Changes: slices.Concat(serviceChanges, placementChanges), Rule: "service.ways", Traits: BreaksAddress,
		},
		{
			ID: "ingress-backend-broken", Severity: Outage, Layer: External, Steps: "C7", Kinds: on("Ingress", "Service"),
			Meaning: "An Ingress names a Service or port that does not exist.",
			Trap:    "A default backend answers instead.",
			Changes: routeChanges, Rule: "inquiry.brokenBackend",
		},
		{
			ID: "ingress-unclaimed", Severity: Outage, Layer: External, Steps: "C7", Kinds: on("IngressClass"),
			Meaning: "No controller claims the Ingress.",
			Trap:    "A controller that does not write status.",
			Changes: anyChange, Rule: "inquiry.unclaimed",
		},
		{
			ID: "route-backend-unresolved", Severity: Outage, Layer: External, Steps: "C7", Kinds: on("Service", "ReferenceGrant"),
			Meaning: "A Gateway route names a Service or port that does not exist or is not permitted.",
			Trap:    "The condition is about an older generation.",
			Changes: routeChanges, Rule: "inquiry.unresolvedBackend",
		},
		{
			ID: "gateway-not-programmed", Severity: Outage, Layer: External, Steps: "C7", Kinds: on("Gateway"),
			Meaning: "No Gateway takes the route, or the Gateway is not programmed.",
			Trap:    "Another parent takes the route.",
			Changes: slices.Concat(routeChanges, anyChange), Rule: "inquiry.notProgrammed",
		},
		{
			ID: "cluster-dns-down", Severity: Outage, Layer: External, Steps: "C4", Kinds: on("Service", "EndpointSlice"),
			Meaning: "Cluster DNS has no endpoints, or none for clients on some nodes: names do not resolve.",
			Trap:    "The cluster's DNS does not run as a Service here.",
			Changes: anyChange, Rule: "service.dnsDown", Traits: OfSystem, Sees: map[string]int{"nxdomain": 1},
		},
		{
			ID: "lb-nodes-excluded", Severity: Risk, Layer: External, Steps: "C7", Kinds: on("Node"),
			Meaning: "Every Node, or every one with an endpoint under externalTrafficPolicy Local, is excluded from external load balancers: where the balancer sends is up to its implementation.",
			Trap:    "Balancers that send to Pods and not to Nodes.",
			Changes: balancerChanges, Rule: "service.excludedNodes",
		},
	}
}

// policyDiagnoses: policy: never more than hints, as enforcement cannot be seen in objects.
func policyDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "netpol-denies-ingress", Severity: Hint, Layer: Policy, Steps: "C8", Kinds: on("NetworkPolicy"),
			Meaning: "NetworkPolicies admit nobody, or only some, to the Pods.",
			Trap:    "The network plugin may not enforce policies.",
			Changes: policyChanges, Rule: "service.policyHint", Sees: map[string]int{"timeout": 1},
		},
		{
			ID: "netpol-wrong-port", Severity: Hint, Layer: Policy, Steps: "C8", Kinds: on("NetworkPolicy"),
			Meaning: "A NetworkPolicy allows a port the Pods do not use.",
			Trap:    "The policy is about other Pods.",
			Changes: policyChanges, Rule: "service.policyHint", Sees: map[string]int{"timeout": 2},
		},
		{
			ID: "netpol-client-egress", Severity: Hint, Layer: Policy, Steps: "C8", Kinds: on("NetworkPolicy"),
			Meaning: "NetworkPolicies keep the client from the Pods or from DNS.",
			Trap:    "Only asked with --from.",
			Changes: anyChange, Rule: "service.clientEgress", Sees: map[string]int{"timeout": 3, "nxdomain": 2},
		},
	}
}

// impactDiagnoses: impact.
func impactDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "no-usable-endpoints", Severity: Outage, Layer: Impact, Steps: "C3 C5", Kinds: on("EndpointSlice"),
			Meaning: "The Service has no usable endpoint: connections are refused.",
			Trap:    "Terminating Pods still serve: only-terminating-endpoints.",
			Changes: anyChange, Rule: "service.name",
		},
		{
			ID: "headless-no-addresses", Severity: Outage, Layer: Impact, Steps: "C3 C4", Kinds: on("EndpointSlice"),
			Meaning: "No Pod is ready, so the headless name does not resolve.",
			Trap:    "publishNotReadyAddresses is set.",
			Changes: anyChange, Rule: "service.name",
		},
		{
			ID: "endpoints-partial", Severity: Degraded, Layer: Impact, Steps: "C2 C3", Kinds: on("EndpointSlice"),
			Meaning: "Fewer endpoints than wanted.",
			Trap:    "A surge or a scale-up that lost nothing.",
			Changes: anyChange, Rule: "service.name",
		},
		{
			ID: "only-terminating-endpoints", Severity: Degraded, Layer: Impact, Steps: "C3", Kinds: on("EndpointSlice"),
			Meaning: "Only Pods that are shutting down still serve.",
			Trap:    "The Pods are past their grace period.",
			Changes: anyChange, Rule: "service.onlyTerminating",
		},
		{
			ID: "all-endpoints-lost-at-once", Severity: Outage, Layer: Impact, Steps: "C3", Kinds: on("EndpointSlice"),
			Meaning: "All endpoints were lost within seconds.",
			Trap:    "A scale to 0: that is the cause.",
			Changes: anyChange, Rule: "service.name",
		},
		{
			ID: "pods-not-ready", Severity: Degraded, Layer: Impact, Steps: "C2",
			Meaning: "Pods are not ready yet, and nothing says why.",
			Trap:    "A deeper cause is known.",
			Changes: anyChange, Rule: "inquiry.nameWaiting",
		},
		{
			ID: "pod-terminating", Severity: Info, Layer: Impact, Steps: "C2",
			Meaning: "The Pod was deleted and is about to go.",
			Trap:    "The Pod is past its grace: pod-stuck-terminating.",
			Changes: anyChange, Rule: "inquiry.ending",
		},
		{
			ID: "subject-missing", Severity: Info, Layer: Impact, Steps: "",
			Meaning: "There is no such object.",
			Trap:    "Its kind was not recorded: unknown.",
			Changes: anyChange, Rule: "inquiry.nothing",
		},
		{
			ID: "subject-deleted", Severity: Info, Layer: Impact, Steps: "",
			Meaning: "The object was deleted.",
			Trap:    "Another of the name exists since.",
			Changes: anyChange, Rule: "inquiry.nothing",
		},
		{
			ID: "recording-gap", Severity: Info, Layer: Impact, Steps: "",
			Meaning: "The recording has a hole where the answer would be.",
			Trap:    "The hole is in kinds that do not decide.",
			Changes: anyChange, Rule: "service.effects",
		},
	}
}
