package analyzer

import "slices"

// serviceDiagnoses: the Service and its definition.
func serviceDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "svc-missing", Severity: outage, layer: definition, Steps: "C1 C4", Kinds: on("Service"),
			Meaning: "There is no Service with this name, so its DNS name does not resolve.",
			Trap:    "The name exists in another Namespace: the sentence says so, the id stays.",
			Changes: anyChange, decides: (*inquiry).noService, traits: NotYetThere,
		},
		{
			ID: "svc-deleted", Severity: outage, layer: definition, Steps: "C1 C4", Kinds: on("Service"),
			Meaning: "The Service was deleted; its virtual IP and name are gone.",
			Trap:    "It was made again since: svc-recreated.",
			Changes: anyChange, decides: (*inquiry).deletedService,
		},
		{
			ID: "svc-terminating", Severity: outage, layer: definition, Steps: "C1", Kinds: on("Service", "Namespace"),
			Meaning: "The Service or its Namespace is being deleted, and gets no new EndpointSlices.",
			Trap:    "Deletion is asked for, and endpoints still serve: no outage yet.",
			Changes: anyChange, decides: (*service).terminatingService,
		},
		{
			ID: "svc-selectorless-no-endpoints", Severity: outage, layer: definition, Steps: "C1 C3", Kinds: on("EndpointSlice"),
			Meaning: "Without a selector endpoints must be made by hand or by another controller, and there are none.",
			Trap:    "Hand-made slices or a mirrored Endpoints object provide addresses.",
			Changes: anyChange, decides: (*service).selectorless, traits: breaksListing,
		},
		{
			ID: "svc-port-undefined", Severity: outage, layer: definition, Steps: "C5", Kinds: on("Service"),
			Meaning: "The Service does not expose the port that is asked for.",
			Trap:    "Only asked with --port; a target or node port is named as such.",
			Changes: anyChange, decides: (*service).portUndefined, traits: breaksAddress,
		},
		{
			ID: "svc-recreated", Severity: risk, layer: definition, Steps: "C1 C5", Kinds: on("Service"),
			Meaning: "The Service was deleted and made again: clients that kept the old cluster IP fail.",
			Trap:    "A new UID with the same cluster IP: nobody has to look the name up again.",
			Changes: anyChange, decides: (*service).recreated, sees: map[string]int{"refused": 5},
		},
		{
			ID: "svc-allocation-conflict", Severity: outage, layer: definition, Steps: "C5", Kinds: on("Service", "Event"),
			Meaning: "The cluster IP or node port of the Service is not its own.",
			Trap:    "The repair loop's Event is about an earlier Service of the name.",
			Changes: anyChange, decides: (*service).allocation, traits: breaksAddress,
		},
		{
			ID: "svc-not-proxied", Severity: outage, layer: definition, Steps: "C6",
			Meaning: "A label leaves the Service to another proxy than kube-proxy.",
			Trap:    "Headless Services and aliases are never proxied.",
			Changes: anyChange, decides: (*service).otherProxy, sees: map[string]int{"timeout": 6},
		},
		{
			ID: "externalname-dead-target", Severity: outage, layer: definition, Steps: "C4", Kinds: on("Service", "EndpointSlice"),
			Meaning: "The Service is an alias for another Service, which does not serve.",
			Trap:    "A target outside the cluster: nothing recorded tells.",
			Changes: anyChange, decides: (*service).externalName,
		},
		{
			ID: "externalname-loop", Severity: outage, layer: definition, Steps: "C4", Kinds: on("Service"),
			Meaning: "The alias leads back to itself.",
			Trap:    "Two aliases of one target are no loop.",
			Changes: anyChange, decides: (*service).externalName,
		},
		{
			ID: "externalname-misfit", Severity: outage, layer: definition, Steps: "C4",
			Meaning: "An ExternalName is a DNS alias; it cannot carry an IP, ports or a selector.",
			Trap:    "Ports on an alias are ignored, and common.",
			Changes: anyChange, decides: (*service).externalMisfits, sees: map[string]int{"nxdomain": 4},
		},
	}
}

// selectionDiagnoses: selection.
func selectionDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "selector-matches-nothing", Severity: outage, layer: selection, Steps: "C1", Kinds: podsAndMakers,
			Meaning: "No Pod and no workload carries the labels the Service selects.",
			Trap:    "The workload exists with 0 replicas: its Pods would match.",
			Changes: selectionChanges, decides: (*service).nothingSelected,
		},
		{
			ID: "selector-typo", Severity: outage, layer: selection, Steps: "C1", Kinds: podsAndMakers,
			Meaning: "The selector is one label away from a workload that exists.",
			Trap:    "Two labels differ, or the value is that of another program.",
			Changes: selectionChanges, decides: (*service).typo, traits: strandsPods | ShowsWorkingPods,
		},
		{
			ID: "selector-edited", Severity: outage, layer: selection, Steps: "C1", Kinds: on("Service", "Pod"),
			Meaning: "The selector was changed, and healthy Pods no longer match.",
			Trap:    "The old selector matched no ready Pod either.",
			Changes: noFurther, decides: (*service).selectorEdited, traits: strandsPods | ShowsWorkingPods,
		},
		{
			ID: "pods-detached-by-label", Severity: outage, layer: selection, Steps: "C1", Kinds: on("Pod"),
			Meaning: "Pods lost the labels the Service selects.",
			Trap:    "The Pods were deleted, or were never ready.",
			Changes: selectionChanges, decides: (*service).relabelled, traits: strandsPods,
		},
		{
			ID: "selected-workload-has-no-pods", Severity: outage, layer: selection, Steps: "C1 C2", Kinds: podsAndMakers,
			Meaning: "The workload of the Service has no Pods at present.",
			Trap:    "Pods exist and are terminal, or are being made.",
			Changes: slices.Concat(selectionChanges, scaleChanges, createChanges), decides: (*service).noPods, traits: selectorFits,
		},
		{
			ID: "selected-pods-all-terminal", Severity: outage, layer: selection, Steps: "C1 C2", Kinds: on("Pod"),
			Meaning: "Every matching Pod has finished, and finished Pods are never endpoints.",
			Trap:    "One Pod is still pending.",
			Changes: anyChange, decides: (*service).noPods, traits: selectorFits,
		},
		{
			ID: "selector-too-broad", Severity: degraded, layer: selection, Steps: "C1", Kinds: on("Pod", "Deployment", "StatefulSet", "DaemonSet", "Job"),
			Meaning: "The selector mixes Pods of different programs.",
			Trap:    "Revisions of one workload, or a canary that shares its name.",
			Changes: anyChange, decides: (*service).mixed,
		},
		{
			ID: "workload-not-selected", Severity: outage, layer: selection, Steps: "C1", Kinds: on("Service"),
			Meaning: "No Service selects these Pods.",
			Trap:    "Workers that listen on nothing: no port is declared.",
			Changes: anyChange, decides: (*inquiry).notSelected,
		},
	}
}

// endpointDiagnoses: endpoints.
func endpointDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "target-port-name-unresolved", Severity: outage, layer: endpoints, Steps: "C1 C3", Kinds: on("Pod"),
			Meaning: "The Service's targetPort names a port the Pods do not have.",
			Trap:    "Some Pods have the name: only the others are missing.",
			Changes: portChanges, decides: (*service).portUnresolved, traits: breaksListing,
		},
		{
			ID: "target-port-undeclared", Severity: hint, layer: endpoints, Steps: "C3", Kinds: on("Pod"),
			Meaning: "The Pods declare another port than the one the Service sends to.",
			Trap:    "Declaring ports is optional: a hint and no more.",
			Changes: anyChange, decides: (*service).undeclaredPort, sees: map[string]int{"refused": 2},
		},
		{
			ID: "slice-invisible-to-proxy", Severity: outage, layer: endpoints, Steps: "C3 C6", Kinds: on("EndpointSlice"),
			Meaning: "An EndpointSlice exists, but kube-proxy cannot use it.",
			Trap:    "The label is that of a headless Service.",
			Changes: anyChange, decides: (*service).invisibleSlice, traits: breaksListing,
		},
		{
			ID: "ip-family-mismatch", Severity: outage, layer: endpoints, Steps: "C3 C5", Kinds: on("Pod"),
			Meaning: "No Pod has an address of the Service's family.",
			Trap:    "Another family of the Service has addresses.",
			Changes: anyChange, decides: (*service).familyMismatch, traits: breaksListing | breaksAddress,
		},
		{
			ID: "endpointslice-missing", Severity: outage, layer: endpoints, Steps: "C3", Kinds: on("EndpointSlice"),
			Meaning: "The controller has written no EndpointSlice.",
			Trap:    "Within 10 s of the Service's creation.",
			Changes: anyChange, decides: (*service).noSlice, traits: breaksListing,
		},
		{
			ID: "endpointslice-stale", Severity: outage, layer: endpoints, Steps: "C3", Kinds: on("EndpointSlice", "Pod"),
			Meaning: "The EndpointSlices do not match the Pods.",
			Trap:    "Within 10 s of the change to the Pod.",
			Changes: anyChange, decides: (*service).stale, traits: breaksListing,
		},
		{
			ID: "slices-frozen", Severity: outage, layer: endpoints, Steps: "C1 C3", Kinds: on("EndpointSlice", "Pod"),
			Meaning: "The selector is gone; the endpoints stay as they were then.",
			Trap:    "The slices are hand-made.",
			Changes: anyChange, decides: (*service).frozenSlice, traits: breaksListing,
		},
		{
			ID: "foreign-endpointslice", Severity: risk, layer: endpoints, Steps: "C3", Kinds: on("EndpointSlice"),
			Meaning: "Traffic is shared with a slice that somebody else manages.",
			Trap:    "A service mesh or multi-cluster controller that is meant to.",
			Changes: anyChange, decides: (*service).foreign,
		},
		{
			ID: "publish-not-ready", Severity: degraded, layer: endpoints, Steps: "C2 C3", Kinds: on("EndpointSlice"),
			Meaning: "Pods that are not ready get traffic, as the Service asks.",
			Trap:    "All published Pods are ready.",
			Changes: anyChange, decides: (*service).unreadyPublished, sees: map[string]int{"refused": 3},
		},
		{
			ID: "duplicate-pod-ip", Severity: degraded, layer: endpoints, Steps: "C5", Kinds: on("Pod"),
			Meaning: "Two Pods have one address.",
			Trap:    "Pods on the host network share the node's address.",
			Changes: anyChange, decides: (*service).sharedAddress,
		},
		{
			ID: "endpoints-not-mirrored", Severity: outage, layer: endpoints, Steps: "C3", Kinds: on("Endpoints", "EndpointSlice"),
			Meaning: "Endpoints made by hand are not copied into EndpointSlices.",
			Trap:    "The Service has a selector: nothing is mirrored.",
			Changes: anyChange, decides: (*service).notMirrored, traits: breaksListing,
		},
		{
			ID: "endpoints-truncated", Severity: info, layer: endpoints, Steps: "C3", Kinds: on("Endpoints"),
			Meaning: "The old Endpoints object holds only the first 1000 addresses.",
			Trap:    "Nobody reads the old object.",
			Changes: anyChange, decides: (*service).truncated,
		},
		{
			ID: "topology-concentration", Severity: risk, layer: endpoints, Steps: "C5", Kinds: on("EndpointSlice", "Node"),
			Meaning: "Topology hints send a node's clients to few endpoints.",
			Trap:    "Hints that leave a third of the endpoints or more.",
			Changes: anyChange, decides: (*service).concentrated, sees: map[string]int{"timeout": 8},
		},
		{
			ID: "headless-port-mapping-ignored", Severity: hint, layer: endpoints, Steps: "C5",
			Meaning: "A headless Service does not map ports: clients must use the Pods' port.",
			Trap:    "port and targetPort are the same.",
			Changes: anyChange, decides: (*service).unmappedPort, sees: map[string]int{"refused": 4},
		},
		{
			ID: "governing-service-mismatch", Severity: degraded, layer: endpoints, Steps: "C4", Kinds: on("Service", "StatefulSet"),
			Meaning: "The StatefulSet's Service cannot give its Pods their names.",
			Trap:    "The StatefulSet names no Service.",
			Changes: anyChange, decides: (*service).governing, sees: map[string]int{"nxdomain": 3},
		},
		{
			ID: "hostnetwork-backends", Severity: info, layer: endpoints, Steps: "C5 C8", Kinds: on("Pod"),
			Meaning: "The Pods use their nodes' network: their endpoints are node addresses.",
			Trap:    "NetworkPolicies do not hold for them.",
			Changes: anyChange, decides: (*service).hostNetwork,
		},
		{
			ID: "endpoint-lag", Severity: degraded, layer: endpoints, Steps: "C3", Kinds: on("EndpointSlice", "Pod"),
			Meaning: "Endpoints follow the Pods too slowly.",
			Trap:    "The recorder's own delay.",
			Changes: anyChange, decides: (*service).lag,
		},
		{
			ID: "terminated-before-drained", Severity: risk, layer: endpoints, Steps: "C3", Kinds: on("EndpointSlice", "Pod"),
			Meaning: "Pods exit before proxies stop sending to them.",
			Trap:    "The Pod sleeps before it stops.",
			Changes: anyChange, decides: (*service).undrained,
		},
		{
			ID: "endpointslice-write-refused", Severity: outage, layer: endpoints, Steps: "C3", Kinds: on("EndpointSlice", "Event"),
			Meaning: "The API server refuses what the controller writes into the EndpointSlices.",
			Trap:    "The Event is older than the last write that succeeded.",
			Changes: webhookChanges, decides: (*service).writesRefused, traits: breaksListing,
		},
		{
			ID: "service-port-changed", Severity: risk, layer: endpoints, Steps: "C5", Kinds: on("Service", "Pod"),
			Meaning: "A change leads a port of the Service where no container declares one and no probe looks.",
			Trap:    "Declaring ports is optional: only what was declared before counts.",
			Changes: portChanges, decides: (*service).changedPorts,
		},
	}
}
