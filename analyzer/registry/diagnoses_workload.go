package registry

import "slices"

// workloadDiagnoses: workloads.
func workloadDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "workload-scaled-to-zero", Severity: Outage, Layer: Workloads, Steps: "C2", Kinds: on("Deployment", "StatefulSet", "DaemonSet"),
			Meaning: "The wanted number of replicas is zero.",
			Trap:    "An autoscaler did it for want of traffic: still Idle, by whom is said.",
			Changes: scaleChanges, Rule: "inquiry.atZero",
		},
		{
			ID: "workload-deleted", Severity: Outage, Layer: Workloads, Steps: "C2", Kinds: on("Deployment", "StatefulSet", "DaemonSet", "Pod"),
			Meaning: "The workload that made the Service's Pods was deleted.",
			Trap:    "It exists again under the name.",
			Changes: selectionChanges, Rule: "service.workloadDeleted",
		},
		{
			ID: "autoscaler-scaled-down", Severity: Degraded, Layer: Workloads, Steps: "C2", Kinds: on("HorizontalPodAutoscaler", "Event"),
			Meaning: "An autoscaler reduced the replicas.",
			Trap:    "Somebody else wrote the replicas since.",
			Changes: scaleChanges, Rule: "inquiry.scaledDown",
		},
		{
			ID: "replica-create-failed", Severity: Outage, Layer: Workloads, Steps: "C2", Kinds: on("ReplicaSet", "Event"),
			Meaning: "The API server rejects new Pods of the workload.",
			Trap:    "The condition is of an older generation.",
			Changes: createChanges, Rule: "inquiry.createFailed", Traits: RefusesPods,
		},
		{
			ID: "statefulset-blocked", Severity: Outage, Layer: Workloads, Steps: "C2", Kinds: on("StatefulSet", "Pod"),
			Meaning: "A StatefulSet makes and updates its Pods one by one, and waits for one of them.",
			Trap:    "A rolling update inside its own grace.",
			Changes: anyChange, Rule: "inquiry.blockedSet",
		},
		{
			ID: "controller-behind", Severity: Degraded, Layer: Workloads, Steps: "C2",
			Meaning: "The last change to the workload has not been processed yet.",
			Trap:    "Within 30 s of the change.",
			Changes: anyChange, Rule: "inquiry.behind",
		},
		{
			ID: "control-plane-stalled", Severity: Outage, Layer: Workloads, Steps: "C3", Kinds: on("Lease"),
			Meaning: "A component of the control plane stopped renewing its lease: nothing is updated.",
			Trap:    "A lease that is released on purpose, or one nobody renews in this cluster.",
			Changes: anyChange, Rule: "inquiry.stalled",
		},
		{
			ID: "rollout-cut-capacity", Severity: Outage, Layer: Workloads, Steps: "C2", Kinds: on("Deployment", "ReplicaSet"),
			Meaning: "The rollout stopped old Pods before new ones were ready, as its strategy allows.",
			Trap:    "The old Pods were not ready before the rollout.",
			Changes: strategyChanges, Rule: "service.cutCapacity",
		},
		{
			ID: "rollout-stuck", Severity: Degraded, Layer: Workloads, Steps: "C2", Kinds: on("Deployment"),
			Meaning: "The rollout made no progress within its deadline.",
			Trap:    "The deadline has passed and the rollout completed since.",
			Changes: slices.Concat(configChanges, placementChanges), Rule: "inquiry.rolloutEffects", Traits: LeadsNowhere,
		},
		{
			ID: "rollout-in-progress", Severity: Degraded, Layer: Workloads, Steps: "C2", Kinds: on("Deployment"),
			Meaning: "A new revision is rolling out.",
			Trap:    "The new Pods exist and fail for a reason of their own.",
			Changes: slices.Concat(strategyChanges, scaleChanges), Rule: "inquiry.progress",
		},
		{
			ID: "rollout-paused", Severity: Info, Layer: Workloads, Steps: "C2", Kinds: on("Deployment", "ReplicaSet"),
			Meaning: "Changes are not rolled out because the Deployment is paused.",
			Trap:    "Nothing was changed while it is paused.",
			Changes: anyChange, Rule: "service.pausedRollouts",
		},
		{
			ID: "new-revision-unhealthy", Severity: Degraded, Layer: Workloads, Steps: "C2", Kinds: on("Deployment", "ReplicaSet"),
			Meaning: "The Pods of the new revision do not become available; the old revision serves on.",
			Trap:    "The new Pods are within their start.",
			Changes: slices.Concat(configChanges, placementChanges), Rule: "inquiry.rolloutEffects",
		},
		{
			ID: "daemonset-gaps", Severity: Degraded, Layer: Workloads, Steps: "C2", Kinds: on("DaemonSet"),
			Meaning: "Some nodes that should run a Pod of the DaemonSet have no ready one.",
			Trap:    "Nodes the DaemonSet does not want.",
			Changes: anyChange, Rule: "service.fewer",
		},
		{
			ID: "hpa-cannot-scale", Severity: Degraded, Layer: Workloads, Steps: "C2", Kinds: on("HorizontalPodAutoscaler"),
			Meaning: "The autoscaler cannot compute or apply a scale.",
			Trap:    "ScalingActive False because replicas are 0.",
			Changes: anyChange, Rule: "inquiry.autoscaling",
		},
		{
			ID: "pdb-blocks-eviction", Severity: Hint, Layer: Workloads, Steps: "", Kinds: on("PodDisruptionBudget", "Pod"),
			Meaning: "A disruption budget allows no eviction, so a drain cannot go on.",
			Trap:    "No disruption is allowed because Pods already are not ready.",
			Changes: anyChange, Rule: "service.blockedEvictions",
		},
		{
			ID: "image-change-preceded-failure", Severity: Info, Layer: Workloads, Steps: "C2", Kinds: on("ReplicaSet"),
			Meaning: "Only Pods with the new image fail.",
			Trap:    "Pods with the old image fail too.",
			Changes: anyChange, Rule: "service.imageChange",
		},
		{
			ID: "config-change-preceded-failure", Severity: Info, Layer: Workloads, Steps: "C2", Kinds: on("ConfigMap", "Secret"),
			Meaning: "Configuration the failing containers use changed before they started.",
			Trap:    "The failing containers started before the change and read it as environment.",
			Changes: anyChange, Rule: "service.configChange",
		},
		{
			ID: "deletion-order", Severity: Info, Layer: Workloads, Steps: "C1 C2 C3", Kinds: on("ConfigMap", "Secret"),
			Meaning: "Something was deleted that the survivors need.",
			Trap:    "What was deleted is optional to the Pods.",
			Changes: anyChange, Rule: "service.configChange",
		},
	}
}

// nodeDiagnoses: nodes.
func nodeDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "node-not-ready", Severity: Outage, Layer: Nodes, Steps: "C2", Kinds: on("Node"),
			Meaning: "A node stopped reporting or is not ready, and its Pods are out of service.",
			Trap:    "Within the time the node was made.",
			Changes: nodeChanges, Rule: "inquiry.nodeNotReady",
		},
		{
			ID: "node-network-unavailable", Severity: Outage, Layer: Nodes, Steps: "C5", Kinds: on("Node", "Event"),
			Meaning: "The network of a node is not set up.",
			Trap:    "Clusters whose network plugin never sets the condition.",
			Changes: nodeChanges, Rule: "inquiry.nodeNetwork",
		},
		{
			ID: "node-draining", Severity: Degraded, Layer: Nodes, Steps: "C2", Kinds: on("Node", "Pod"),
			Meaning: "A node is being drained; its Pods were evicted.",
			Trap:    "A cordon without evictions takes nothing out of service.",
			Changes: nodeChanges, Rule: "inquiry.nodeDraining",
		},
		{
			ID: "endpoint-node-missing", Severity: Degraded, Layer: Nodes, Steps: "C2 C3", Kinds: on("Node"),
			Meaning: "The Pod's Node object is gone, so the Pod is left out of the endpoints.",
			Trap:    "publishNotReadyAddresses lists the Pod all the same.",
			Changes: nodeChanges, Rule: "service.nodeMissing", Traits: BreaksListing,
		},
		{
			ID: "kube-proxy-missing", Severity: Outage, Layer: Nodes, Steps: "C6", Kinds: on("DaemonSet", "Pod", "Node"),
			Meaning: "A node has no working kube-proxy: its rules are not updated.",
			Trap:    "Another program proxies: no DaemonSet of that name was ever there.",
			Changes: anyChange, Rule: "service.proxyMissing", Traits: OfSystem, Sees: map[string]int{"timeout": 5, "refused": 6},
		},
		{
			ID: "endpoint-on-silent-node", Severity: Risk, Layer: Nodes, Steps: "C2 C5", Kinds: on("Node", "Lease"),
			Meaning: "An endpoint is ready by its slice, and its Node was not heard since.",
			Trap:    "One late renewal of the Lease, or Leases that nobody recorded.",
			Changes: nodeChanges, Rule: "service.silentNodes", Sees: map[string]int{"timeout": 9},
		},
	}
}

// schedulingDiagnoses: scheduling.
func schedulingDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "pod-unschedulable", Severity: Outage, Layer: Scheduling, Steps: "C2",
			Meaning: "The scheduler found no node for the Pod.",
			Trap:    "Within 10 s of the scheduler's first verdict.",
			Changes: placementChanges, Rule: "podCase.unschedulable",
		},
		{
			ID: "pod-scheduling-gated", Severity: Outage, Layer: Scheduling, Steps: "C2",
			Meaning: "Scheduling gates must be removed before the scheduler looks at the Pod.",
			Trap:    "The gate was removed, and the scheduler has not looked yet.",
			Changes: gateChanges, Rule: "podCase.gated",
		},
		{
			ID: "pod-ignored-by-scheduler", Severity: Outage, Layer: Scheduling, Steps: "C2",
			Meaning: "No scheduler has tried the Pod.",
			Trap:    "Within 30 s, or with a node already set.",
			Changes: anyChange, Rule: "podCase.ignored",
		},
		{
			ID: "pod-disrupted", Severity: Outage, Layer: Scheduling, Steps: "C2",
			Meaning: "The cluster removed the Pod: drain, taint, preemption or pressure.",
			Trap:    "The Pod was replaced and the replacement is ready.",
			Changes: slices.Concat(nodeChanges, placementChanges), Rule: "podCase.disrupted",
		},
		{
			ID: "pods-rejected", Severity: Outage, Layer: Scheduling, Steps: "C2", Kinds: on("Pod"),
			Meaning: "Kubelets refuse or evict the Pods of a workload, one after the other.",
			Trap:    "One Pod that was evicted, and whose replacement is ready.",
			Changes: slices.Concat(nodeChanges, placementChanges), Rule: "service.rejectedPods",
		},
	}
}
