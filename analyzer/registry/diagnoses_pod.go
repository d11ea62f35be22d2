package registry

import "slices"

// startDiagnoses: start.
func startDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "volume-unavailable", Severity: Outage, Layer: Startup, Steps: "C2", Kinds: on("PersistentVolumeClaim", "Event"),
			Meaning: "A volume the Pod needs is not there.",
			Trap:    "WaitForFirstConsumer: the claim waits for the Pod.",
			Changes: slices.Concat(placementChanges, configChanges), Rule: "podCase.unavailableClaim",
		},
		{
			ID: "pod-sandbox-failed", Severity: Outage, Layer: Startup, Steps: "C2 C5", Kinds: on("Event"),
			Meaning: "The node could not set up the Pod's sandbox or network.",
			Trap:    "The Event is older than the sandbox that works.",
			Changes: anyChange, Rule: "podCase.sandbox",
		},
		{
			ID: "pod-stalled-on-node", Severity: Outage, Layer: Startup, Steps: "C2", Kinds: on("Node"),
			Meaning: "The node has not begun to start the Pod.",
			Trap:    "Within 60 s of the binding.",
			Changes: stallChanges, Rule: "podCase.startTrouble", Traits: NotOfTemplate,
		},
		{
			ID: "image-pull-failed", Severity: Outage, Layer: Startup, Steps: "C2",
			Meaning: "A container image cannot be pulled.",
			Trap:    "The pull is going on: ContainerCreating says nothing.",
			Changes: imageChanges, Rule: "podCase.imagePull",
		},
		{
			ID: "container-config-error", Severity: Outage, Layer: Startup, Steps: "C2",
			Meaning: "A ConfigMap, Secret or key that a container needs does not exist.",
			Trap:    "The key is optional.",
			Changes: configChanges, Rule: "podCase.config", Traits: ReadsConfig,
		},
		{
			ID: "container-start-error", Severity: Outage, Layer: Startup, Steps: "C2",
			Meaning: "The runtime refused to start a container.",
			Trap:    "A later start worked.",
			Changes: configChanges, Rule: "podCase.startError", Traits: ReadsConfig,
		},
		{
			ID: "oom-killed", Severity: Outage, Layer: Startup, Steps: "C2",
			Meaning: "A container was killed for exceeding its memory limit.",
			Trap:    "Another container of the Pod was killed and is up again.",
			Changes: configChanges, Rule: "podCase.killer", Traits: ReadsConfig,
		},
		{
			ID: "liveness-killing", Severity: Outage, Layer: Startup, Steps: "C2", Kinds: on("Event"),
			Meaning: "The kubelet restarts a container because its liveness or startup probe fails.",
			Trap:    "The probe's Events are older than the last restart.",
			Changes: configChanges, Rule: "podCase.killer", Traits: ReadsConfig,
		},
		{
			ID: "crash-loop", Severity: Outage, Layer: Startup, Steps: "C2",
			Meaning: "A container keeps exiting.",
			Trap:    "One restart long ago.",
			Changes: configChanges, Rule: "podCase.crashLoop", Traits: ReadsConfig,
		},
		{
			ID: "container-completed", Severity: Degraded, Layer: Startup, Steps: "C2",
			Meaning: "A container ended and will not be restarted.",
			Trap:    "A Pod that was deleted ends its containers: that is no cause.",
			Changes: configChanges, Rule: "podCase.completed", Traits: EndsByItself,
		},
		{
			ID: "init-blocking", Severity: Outage, Layer: Startup, Steps: "C2",
			Meaning: "An init container has not finished.",
			Trap:    "The init container runs for the first time and is young.",
			Changes: configChanges, Rule: "podCase.initBlocking", Traits: ReadsConfig,
		},
		{
			ID: "pod-stuck-terminating", Severity: Degraded, Layer: Startup, Steps: "C2 C3",
			Meaning: "A deleted Pod does not go away.",
			Trap:    "Within its grace period and 30 s.",
			Changes: anyChange, Rule: "inquiry.stuckTerminating",
		},
	}
}

// readinessDiagnoses: readiness.
func readinessDiagnoses() []Diagnosis {
	return []Diagnosis{
		{
			ID: "startup-probe-pending", Severity: Outage, Layer: Readiness, Steps: "C2",
			Meaning: "The startup probe has not passed yet.",
			Trap:    "Within the probe's own allowance.",
			Changes: configChanges, Rule: "podCase.startupProbe", Traits: ReadsConfig,
		},
		{
			ID: "readiness-probe-failing", Severity: Outage, Layer: Readiness, Steps: "C2",
			Meaning: "A container runs but its readiness probe fails.",
			Trap:    "Within the first period of the probe.",
			Changes: configChanges, Rule: "podCase.readinessProbe", Traits: ReadsConfig,
		},
		{
			ID: "readiness-gate-blocking", Severity: Outage, Layer: Readiness, Steps: "C2",
			Meaning: "A readiness gate is not confirmed by its controller.",
			Trap:    "The containers are not ready either.",
			Changes: slices.Concat(configChanges, openingChanges), Rule: "podCase.readinessGate",
		},
		{
			ID: "pod-notready-by-node-controller", Severity: Outage, Layer: Readiness, Steps: "C2", Kinds: on("Node"),
			Meaning: "The control plane lost the node and took its Pods out of service.",
			Trap:    "The kubelet itself said that the Pod is not ready.",
			Changes: nodeChanges, Rule: "podCase.lostNode",
		},
		{
			ID: "readiness-flapping", Severity: Degraded, Layer: Readiness, Steps: "C2 C3", Kinds: on("Pod"),
			Meaning: "Pods keep going in and out of service.",
			Trap:    "A rollout makes each Pod ready once.",
			Changes: anyChange, Rule: "service.flapping",
		},
		{
			ID: "readiness-not-covering-port", Severity: Hint, Layer: Readiness, Steps: "C2",
			Meaning: "Nothing probes the port the Service sends to.",
			Trap:    "A probe by exec may test anything.",
			Changes: anyChange, Rule: "service.unprobedPort", Sees: map[string]int{"refused": 1},
		},
	}
}
