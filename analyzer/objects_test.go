package analyzer

import (
	"fmt"
	"strings"
)

// The objects below are what a real control plane shows, cut to what matters.

const shop = `
kind: Namespace
metadata: {name: shop}
---
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: a}}
status: {conditions: [{type: Ready, status: "True", reason: KubeletReady}]}
---
kind: Node
metadata: {name: n2, labels: {topology.kubernetes.io/zone: b}}
status: {conditions: [{type: Ready, status: "True", reason: KubeletReady}]}
---
kind: Node
metadata: {name: n3, labels: {topology.kubernetes.io/zone: c}}
status: {conditions: [{type: Ready, status: "True", reason: KubeletReady}]}
---
`

const webService = `
kind: Service
metadata: {name: web}
spec:
  type: ClusterIP
  clusterIP: 10.96.0.10
  ipFamilies: [IPv4]
  selector: {app: web}
  ports: [{name: http, port: 80, protocol: TCP, targetPort: http}]
---
`

// deployment is Deployment web with its ReplicaSets, of which the last is the
// present one. Each is "IMAGE REPLICAS AVAILABLE"; their revisions count from 1.
func deployment(want int, progressing string, sets ...string) string {
	var b strings.Builder
	updated, available, total, image := 0, 0, 0, ""
	for i, s := range sets {
		var replicas, avail int
		fmt.Sscan(s, &image, &replicas, &avail)
		updated = replicas
		available += avail
		total += replicas
		fmt.Fprintf(&b, `
kind: ReplicaSet
metadata:
  name: web-%[1]d
  uid: rs-web-%[1]d
  creationTimestamp: $(created-%[1]d)
  annotations: {deployment.kubernetes.io/revision: "%[1]d"}
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: deployment-web, controller: true}]
spec:
  replicas: %[2]d
  template: %[4]s
status: {replicas: %[2]d, readyReplicas: %[3]d, availableReplicas: %[3]d}
---
`, i+1, replicas, avail, template(image, fmt.Sprintf(", pod-template-hash: h%d", i+1)))
	}
	fmt.Fprintf(&b, `
kind: Deployment
metadata: {name: web, generation: 1, creationTimestamp: $(0s)}
spec:
  replicas: %d
  template: %s
status:
  observedGeneration: 1
  replicas: %d
  updatedReplicas: %d
  availableReplicas: %d
  conditions: [{type: Progressing, status: "%s", reason: %s, lastTransitionTime: $(0s)}]
---
`, want, template(image, ""), total, updated, available, map[bool]string{true: "True", false: "False"}[progressing != "ProgressDeadlineExceeded"], progressing)
	return b.String()
}

func template(image, labels string) string {
	return fmt.Sprintf(`{metadata: {labels: {app: web%s}}, spec: {containers: [{name: web, image: %q,
    ports: [{name: http, containerPort: 8080, protocol: TCP}],
    readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 3}}]}}`, labels, image)
}

// pod is a Pod of revision rev of Deployment web on a node; status is YAML of
// its status beyond the address.
func pod(name string, rev int, node, image, created, status string) string {
	return podWith(name, rev, node, image, created, "", status)
}

func podWith(name string, rev int, node, image, created, meta, status string) string {
	t := template(image, fmt.Sprintf(", pod-template-hash: h%d", rev))
	spec := t[strings.Index(t, "spec: {containers")+len("spec: {") : strings.LastIndex(t, "}}")]
	ip := ""
	if node != "" {
		ip = fmt.Sprintf("podIP: 10.0.%s.%d, podIPs: [{ip: 10.0.%s.%d}],", node[1:], len(name)+int(name[len(name)-1]), node[1:], len(name)+int(name[len(name)-1]))
	}
	return fmt.Sprintf(`
kind: Pod
metadata:
  name: %s
  creationTimestamp: $(%s)
  labels: {app: web, pod-template-hash: h%d}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-%d, uid: rs-web-%d, controller: true}]
  %s
spec: {nodeName: %q, %s}
status: {%s %s}
---
`, name, created, rev, rev, rev, meta, node, spec, ip, status)
}

// Statuses of Pods.
func running(since string) string {
	return fmt.Sprintf(`phase: Running,
  conditions: [{type: PodScheduled, status: "True", lastTransitionTime: $(%[1]s)}, {type: Initialized, status: "True"},
    {type: ContainersReady, status: "True", lastTransitionTime: $(%[1]s)}, {type: Ready, status: "True", lastTransitionTime: $(%[1]s)}],
  containerStatuses: [{name: web, ready: true, started: true, restartCount: 0, state: {running: {startedAt: $(%[1]s)}}}]`, since)
}

func unready(started, since string) string {
	return fmt.Sprintf(`phase: Running,
  conditions: [{type: PodScheduled, status: "True", lastTransitionTime: $(%[1]s)}, {type: Initialized, status: "True"},
    {type: ContainersReady, status: "False", reason: ContainersNotReady, lastTransitionTime: $(%[2]s)},
    {type: Ready, status: "False", reason: ContainersNotReady, lastTransitionTime: $(%[2]s)}],
  containerStatuses: [{name: web, ready: false, started: true, restartCount: 0, state: {running: {startedAt: $(%[1]s)}}}]`, started, since)
}

func waiting(reason, message, since string) string {
	return fmt.Sprintf(`phase: Pending,
  conditions: [{type: PodScheduled, status: "True", lastTransitionTime: $(%[3]s)}, {type: Initialized, status: "True"},
    {type: ContainersReady, status: "False", reason: ContainersNotReady, lastTransitionTime: $(%[3]s)},
    {type: Ready, status: "False", reason: ContainersNotReady, lastTransitionTime: $(%[3]s)}],
  containerStatuses: [{name: web, ready: false, started: false, restartCount: 0, state: {waiting: {reason: %[1]s, message: %[2]q}}}]`, reason, message, since)
}

func unscheduled(message, since string) string {
	return fmt.Sprintf(`phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: %q, lastTransitionTime: $(%s)}]`, message, since)
}

// slice is the EndpointSlice web-1 of Service web; each endpoint is
// "POD NODE ready|notready|terminating".
func slice(endpoints ...string) string {
	return sliceOf("service-web", "ports: [{name: http, port: 8080, protocol: TCP}]", endpoints...)
}

func sliceOf(uid, ports string, endpoints ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
kind: EndpointSlice
metadata:
  name: web-1
  labels: {kubernetes.io/service-name: web, endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}
  ownerReferences: [{apiVersion: v1, kind: Service, name: web, uid: %s, controller: true}]
addressType: IPv4
%s
endpoints:`, uid, ports)
	if len(endpoints) == 0 {
		b.WriteString(" []")
	}
	for _, e := range endpoints {
		var name, node, state string
		fmt.Sscan(e, &name, &node, &state)
		fmt.Fprintf(&b, `
- addresses: [10.0.%s.%d]
  nodeName: %s
  conditions: {ready: %t, serving: %t, terminating: %t}
  targetRef: {kind: Pod, namespace: shop, name: %s, uid: pod-%s}`,
			node[1:], len(name)+int(name[len(name)-1]), node, state == "ready", state != "notready", state == "terminating", name, name)
	}
	return b.String() + "\n---\n"
}

// baseline is the whole of Service web in good order, since the start.
func baseline() string {
	return shop + webService + strings.ReplaceAll(deployment(3, "NewReplicaSetAvailable", "web:ok1 3 3"), "$(created-1)", "$(0s)") +
		pod("web-a", 1, "n1", "web:ok1", "0s", running("1s")) + pod("web-b", 1, "n2", "web:ok1", "0s", running("1s")) + pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")) +
		slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready")
}
