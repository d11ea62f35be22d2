package registry

import "slices"

// serviceDiagnoses: the Service and its definition.
func serviceDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "svc-missing", Severity: Outage, Layer: Definition, Steps: "C1 C4", Kinds: on("Service"),
			Meaning: "There is no Service with this name, so its DNS name does not resolve.",
			Trap:    "The name exists in another Namespace: the sentence says so, the id stays.",
			Changes: anyChange, Rule: "inquiry.noService", Traits: NotYetThere,
		},
		{
			ID: "svc-deleted", Severity: Outage, Layer: Definition, Steps: "C1 C4", Kinds: on("Service"),
			Meaning: "The Service was deleted; its virtual IP and name are gone.",
			Trap:    "It was made again since: svc-recreated.",
			Changes: anyChange, Rule: "inquiry.deletedService",
		},
		{
			ID: "svc-terminating", Severity: Outage, Layer: Definition, Steps: "C1", Kinds: on("Service", "Namespace"),
			Meaning: "The Service or its Namespace is being deleted, and gets no new EndpointSlices.",
			Trap:    "Deletion is asked for, and endpoints still serve: no outage yet.",
			Changes: anyChange, Rule: "service.terminatingService",
		},
		{
			ID: "svc-selectorless-no-endpoints", Severity: Outage, Layer: Definition, Steps: "C1 C3", Kinds: on("EndpointSlice"),
			Meaning: "Without a selector endpoints must be made by hand or by another controller, and there are none.",
			Trap:    "Hand-made slices or a mirrored Endpoints object provide addresses.",
			Changes: anyChange, Rule: "service.selectorless", Traits: BreaksListing,
		},
		{
			ID: "svc-port-undefined", Severity: Outage, Layer: Definition, Steps: "C5", Kinds: on("Service"),
			Meaning: "The Service does not expose the port that is asked for.",
			Trap:    "Only asked with --port; a target or node port is named as such.",
			Changes: anyChange, Rule: "service.portUndefined", Traits: BreaksAddress,
		},
		{
			ID: "svc-recreated", Severity: Risk, Layer: Definition, Steps: "C1 C5", Kinds: on("Service"),
			Meaning: "The Service was deleted and made again: clients that kept the old cluster IP fail.",
			Trap:    "A new UID with the same cluster IP: nobody has to look the name up again.",
			Changes: anyChange, Rule: "service.recreated", Sees: map[string]int{"refused": 5},
		},
		{
			ID: "svc-allocation-conflict", Severity: Outage, Layer: Definition, Steps: "C5", Kinds: on("Service", "Event"),
			Meaning: "The cluster IP or node port of the Service is not its own.",
			Trap:    "The repair loop's Event is about an earlier Service of the name.",
			Changes: anyChange, Rule: "service.allocation", Traits: BreaksAddress,
		},
		{
			ID: "svc-not-proxied", Severity: Outage, Layer: Definition, Steps: "C6",
			Meaning: "A label leaves the Service to another proxy than kube-proxy.",
			Trap:    "Headless Services and aliases are never proxied.",
			Changes: anyChange, Rule: "service.otherProxy", Sees: map[string]int{"timeout": 6},
		},
		{
			ID: "externalname-dead-target", Severity: Outage, Layer: Definition, Steps: "C4", Kinds: on("Service", "EndpointSlice"),
			Meaning: "The Service is an alias for another Service, which does not serve.",
			Trap:    "A target outside the cluster: nothing recorded tells.",
			Changes: anyChange, Rule: "service.externalName",
		},
		{
			ID: "externalname-loop", Severity: Outage, Layer: Definition, Steps: "C4", Kinds: on("Service"),
			Meaning: "The alias leads back to itself.",
			Trap:    "Two aliases of one target are no loop.",
			Changes: anyChange, Rule: "service.externalName",
		},
		{
			ID: "externalname-misfit", Severity: Outage, Layer: Definition, Steps: "C4",
			Meaning: "An ExternalName is a DNS alias; it cannot carry an IP, ports or a selector.",
			Trap:    "Ports on an alias are ignored, and common.",
			Changes: anyChange, Rule: "service.externalMisfits", Sees: map[string]int{"nxdomain": 4},
		},
	}
}

// selectionDiagnoses: selection.
func selectionDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "selector-matches-nothing", Severity: Outage, Layer: Selection, Steps: "C1", Kinds: podsAndMakers,
			Meaning: "No Pod and no workload carries the labels the Service selects.",
			Trap:    "The workload exists with 0 replicas: its Pods would match.",
			Changes: selectionChanges, Rule: "service.nothingSelected", Traits: ComesUp,
		},
		{
			ID: "selector-typo", Severity: Outage, Layer: Selection, Steps: "C1", Kinds: podsAndMakers,
			Meaning: "The selector is one label away from a workload that exists.",
			Trap:    "Two labels differ, or the value is that of another program.",
			Changes: selectionChanges, Rule: "service.typo", Traits: StrandsPods | ShowsWorkingPods,
		},
		{
			ID: "selector-edited", Severity: Outage, Layer: Selection, Steps: "C1", Kinds: on("Service", "Pod"),
			Meaning: "The selector was changed, and healthy Pods no longer match.",
			Trap:    "The old selector matched no ready Pod either.",
			Changes: noFurther, Rule: "service.selectorEdited", Traits: StrandsPods | ShowsWorkingPods,
		},
		{
			ID: "pods-detached-by-label", Severity: Outage, Layer: Selection, Steps: "C1", Kinds: on("Pod"),
			Meaning: "Pods lost the labels the Service selects.",
			Trap:    "The Pods were deleted, or were never ready.",
			Changes: selectionChanges, Rule: "service.relabelled", Traits: StrandsPods,
		},
		{
			ID: "pod-labels-rewritten", Severity: Outage, Layer: Selection, Steps: "C1", Kinds: on("Pod"),
			Meaning: "Pods carry other labels than their template: admission rewrote them.",
			Trap:    "The label was taken from a Pod that had it: pods-detached-by-label.",
			Changes: slices.Concat(mutatorChanges, selectionChanges, templateChanges), Rule: "service.strayed", Traits: RewritesPods,
		},
		{
			ID: "selected-workload-has-no-pods", Severity: Outage, Layer: Selection, Steps: "C1 C2", Kinds: podsAndMakers,
			Meaning: "The workload of the Service has no Pods at present.",
			Trap:    "Pods exist and are terminal, or are being made.",
			Changes: slices.Concat(selectionChanges, scaleChanges, createChanges), Rule: "service.noPods", Traits: SelectorFits | ComesUp,
		},
		{
			ID: "selected-pods-all-terminal", Severity: Outage, Layer: Selection, Steps: "C1 C2", Kinds: on("Pod"),
			Meaning: "Every matching Pod has finished, and finished Pods are never endpoints.",
			Trap:    "One Pod is still pending.",
			Changes: anyChange, Rule: "service.noPods", Traits: SelectorFits,
		},
		{
			ID: "selector-too-broad", Severity: Degraded, Layer: Selection, Steps: "C1", Kinds: on("Pod", "Deployment", "StatefulSet", "DaemonSet", "Job"),
			Meaning: "The selector mixes Pods of different programs.",
			Trap:    "Revisions of one workload, or a canary that shares its name.",
			Changes: anyChange, Rule: "service.mixed",
		},
		{
			ID: "workload-not-selected", Severity: Outage, Layer: Selection, Steps: "C1", Kinds: on("Service"),
			Meaning: "No Service selects these Pods.",
			Trap:    "Workers that listen on nothing: no port is declared.",
			Changes: anyChange, Rule: "inquiry.notSelected",
		},
	}
}

// endpointDiagnoses: endpoints.
func endpointDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "target-port-name-unresolved", Severity: Outage, Layer: Endpoints, Steps: "C1 C3", Kinds: on("Pod"),
			Meaning: "The Service's targetPort names a port the Pods do not have.",
			Trap:    "Some Pods have the name: only the others are missing.",
			Changes: portChanges, Rule: "service.portUnresolved", Traits: BreaksListing,
		},
		{
			ID: "target-port-undeclared", Severity: Hint, Layer: Endpoints, Steps: "C3", Kinds: on("Pod"),
			Meaning: "The Pods declare another port than the one the Service sends to.",
			Trap:    "Declaring ports is optional: a hint and no more.",
			Changes: anyChange, Rule: "service.undeclaredPort", Sees: map[string]int{"refused": 2},
		},
		{
			ID: "slice-invisible-to-proxy", Severity: Outage, Layer: Endpoints, Steps: "C3 C6", Kinds: on("EndpointSlice"),
			Meaning: "An EndpointSlice exists, but kube-proxy cannot use it.",
			Trap:    "The label is that of a headless Service.",
			Changes: anyChange, Rule: "service.invisibleSlice", Traits: BreaksListing,
		},
		{
			ID: "ip-family-mismatch", Severity: Outage, Layer: Endpoints, Steps: "C3 C5", Kinds: on("Pod"),
			Meaning: "No Pod has an address of the Service's family.",
			Trap:    "Another family of the Service has addresses.",
			Changes: anyChange, Rule: "service.familyMismatch", Traits: BreaksListing | BreaksAddress,
		},
		{
			ID: "endpointslice-missing", Severity: Outage, Layer: Endpoints, Steps: "C3", Kinds: on("EndpointSlice"),
			Meaning: "The controller has written no EndpointSlice.",
			Trap:    "Within 10 s of the Service's creation.",
			Changes: anyChange, Rule: "service.noSlice", Traits: BreaksListing,
		},
		{
			ID: "endpointslice-stale", Severity: Outage, Layer: Endpoints, Steps: "C3", Kinds: on("EndpointSlice", "Pod"),
			Meaning: "The EndpointSlices do not match the Pods.",
			Trap:    "Within 10 s of the change to the Pod.",
			Changes: anyChange, Rule: "service.stale", Traits: BreaksListing,
		},
		{
			ID: "slices-frozen", Severity: Outage, Layer: Endpoints, Steps: "C1 C3", Kinds: on("EndpointSlice", "Pod"),
			Meaning: "The selector is gone; the endpoints stay as they were then.",
			Trap:    "The slices are hand-made.",
			Changes: anyChange, Rule: "service.frozenSlice", Traits: BreaksListing,
		},
		{
			ID: "foreign-endpointslice", Severity: Risk, Layer: Endpoints, Steps: "C3", Kinds: on("EndpointSlice"),
			Meaning: "Traffic is shared with a slice that somebody else manages.",
			Trap:    "A service mesh or multi-cluster controller that is meant to.",
			Changes: anyChange, Rule: "service.foreign",
		},
		{
			ID: "publish-not-ready", Severity: Degraded, Layer: Endpoints, Steps: "C2 C3", Kinds: on("EndpointSlice"),
			Meaning: "Pods that are not ready get traffic, as the Service asks.",
			Trap:    "All published Pods are ready.",
			Changes: anyChange, Rule: "service.unreadyPublished", Sees: map[string]int{"refused": 3},
		},
		{
			ID: "duplicate-pod-ip", Severity: Degraded, Layer: Endpoints, Steps: "C5", Kinds: on("Pod"),
			Meaning: "Two Pods have one address.",
			Trap:    "Pods on the host network share the node's address.",
			Changes: anyChange, Rule: "service.sharedAddress",
		},
		{
			ID: "endpoints-not-mirrored", Severity: Outage, Layer: Endpoints, Steps: "C3", Kinds: on("Endpoints", "EndpointSlice"),
			Meaning: "Endpoints made by hand are not copied into EndpointSlices.",
			Trap:    "The Service has a selector: nothing is mirrored.",
			Changes: anyChange, Rule: "service.notMirrored", Traits: BreaksListing,
		},
		{
			ID: "endpoints-truncated", Severity: Info, Layer: Endpoints, Steps: "C3", Kinds: on("Endpoints"),
			Meaning: "The old Endpoints object holds only the first 1000 addresses.",
			Trap:    "Nobody reads the old object.",
			Changes: anyChange, Rule: "service.truncated",
		},
		{
			ID: "topology-concentration", Severity: Risk, Layer: Endpoints, Steps: "C5", Kinds: on("EndpointSlice", "Node"),
			Meaning: "Topology hints send a node's clients to few endpoints.",
			Trap:    "Hints that leave a third of the endpoints or more.",
			Changes: anyChange, Rule: "service.concentrated", Sees: map[string]int{"timeout": 8},
		},
		{
			ID: "headless-port-mapping-ignored", Severity: Hint, Layer: Endpoints, Steps: "C5",
			Meaning: "A headless Service does not map ports: clients must use the Pods' port.",
			Trap:    "port and targetPort are the same.",
			Changes: anyChange, Rule: "service.unmappedPort", Sees: map[string]int{"refused": 4},
		},
		{
			ID: "governing-service-mismatch", Severity: Degraded, Layer: Endpoints, Steps: "C4", Kinds: on("Service", "StatefulSet"),
			Meaning: "The StatefulSet's Service cannot give its Pods their names.",
			Trap:    "The StatefulSet names no Service.",
			Changes: anyChange, Rule: "service.governing", Sees: map[string]int{"nxdomain": 3},
		},
		{
			ID: "hostnetwork-backends", Severity: Info, Layer: Endpoints, Steps: "C5 C8", Kinds: on("Pod"),
			Meaning: "The Pods use their nodes' network: their endpoints are node addresses.",
			Trap:    "NetworkPolicies do not hold for them.",
			Changes: anyChange, Rule: "service.hostNetwork",
		},
		{
			ID: "endpoint-lag", Severity: Degraded, Layer: Endpoints, Steps: "C3", Kinds: on("EndpointSlice", "Pod"),
			Meaning: "Endpoints follow the Pods too slowly.",
			Trap:    "The recorder's own delay.",
			Changes: anyChange, Rule: "service.lag",
		},
		{
			ID: "terminated-before-drained", Severity: Risk, Layer: Endpoints, Steps: "C3", Kinds: on("EndpointSlice", "Pod"),
			Meaning: "Pods exit before proxies stop sending to them.",
			Trap:    "The Pod sleeps before it stops.",
			Changes: anyChange, Rule: "service.undrained",
		},
		{
			ID: "endpointslice-write-refused", Severity: Outage, Layer: Endpoints, Steps: "C3", Kinds: on("EndpointSlice", "Event"),
			Meaning: "The API server refuses what the controller writes into the EndpointSlices.",
			Trap:    "The Event is older than the last write that succeeded.",
			Changes: writeChanges, Rule: "service.writesRefused", Traits: BreaksListing | RefusesWrites,
		},
		{
			ID: "sidecar-missing", Severity: Risk, Layer: Endpoints, Steps: "C5", Kinds: on("Pod"),
			Meaning: "Of Pods made from one template some have a container that the others have not, such as the proxy of a mesh.",
			Trap:    "Pods of two revisions, and containers for debugging.",
			Changes: slices.Concat(mutatorChanges, createChanges), Rule: "service.unlikePods",
		},
		{
			ID: "mesh-subset-empty", Severity: Risk, Layer: Endpoints, Steps: "C5", Kinds: on("VirtualService", "DestinationRule", "Pod"),
			Meaning: "A VirtualService sends requests to a subset of the Service that has no ready Pod, or that no DestinationRule defines.",
			Trap:    "Clients without a proxy of the mesh are not affected, and what a proxy has heard stands in no object. A destination of weight 0 gets nothing.",
			Changes: meshChanges, Rule: "service.emptySubset",
		},
		{
			ID: "service-port-changed", Severity: Risk, Layer: Endpoints, Steps: "C5", Kinds: on("Service", "Pod"),
			Meaning: "A change leads a port of the Service where no container declares one and no probe looks.",
			Trap:    "Declaring ports is optional: only what was declared before counts.",
			Changes: portChanges, Rule: "service.changedPorts",
		},
	}
}
