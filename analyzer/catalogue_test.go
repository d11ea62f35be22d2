package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/store"
)

// example shows one diagnosis: what happens, and where in the report it is.
type example struct {
	id       string
	variant  string
	in       string // headline, because, also, symptoms, risks, hints
	subject  string // Kind/name; Service/web if empty
	options  Options
	first    string // at 1s; the baseline if empty
	then     string // at 20s
	removed  string // at 20s, before then
	at       time.Duration
	without  []string // kinds not recorded
	state    State
	says     string
	headline string // of a diagnosis that is not the headline
	not      []string
	story    func(*world) // more, before 20s
}

func sub(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			panic(fmt.Sprintf("no %q in\n%s", pairs[i], text))
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

const (
	headlineList = "headline"
	riskList     = "risks"
	hintList     = "hints"
	symptomList  = "symptoms"
	becauseList  = "because"
)

func TestDiagnoses(t *testing.T) {
	shown := map[string]bool{}
	for _, e := range slices.Concat(examples(), unseenExamples()) {
		shown[e.id] = true
		name := e.id
		if e.variant != "" {
			name += "-" + e.variant
		}
		t.Run(name, func(t *testing.T) { e.check(t) })
	}
	for _, d := range registry.Catalogue() {
		if !shown[d.ID] {
			t.Errorf("no example shows %s", d.ID)
		}
	}
}

func (e *example) check(t *testing.T) {
	w := newWorld(t, e.without...)
	first := e.first
	if first == "" {
		first = baseline()
	}
	w.apply(time.Second, strings.NewReplacer("$(created-1)", "$(0s)").Replace(first))
	w.remove(20*time.Second, strings.ReplaceAll(e.removed, "$(created-1)", "$(0s)"))
	if e.story != nil {
		e.story(w)
	}
	w.apply(20*time.Second, strings.NewReplacer("$(created-1)", "$(0s)", "$(created-2)", "$(20s)").Replace(e.then))
	at := e.at
	if at == 0 {
		at = 2 * time.Minute
	}
	kindName, name, _ := strings.Cut(e.subject, "/")
	if e.subject == "" {
		kindName, name = "Service", "web"
	}
	k := kindsByName[kindName]
	subject := store.Ref{Resource: k.resource, Namespace: "shop", Name: name}
	if k.cluster {
		subject.Namespace = ""
	}
	r := Diagnose(w.at(at), subject, e.options)
	checkReport(t, r)
	if e.state != "" && r.Verdict.State != e.state {
		t.Errorf("state %s, want %s", r.Verdict.State, e.state)
	}
	message := r.Headline.Message
	if e.in == headlineList {
		if r.Headline.ID != e.id {
			t.Errorf("headline %s, want %s", r.Headline.ID, e.id)
		}
		if e.variant != "" && (len(r.Because) == 0 || r.Because[0].Variant != e.variant) {
			t.Errorf("variant of %+v, want %s", r.Because, e.variant)
		}
	} else {
		lists := map[string][]Finding{"because": r.Because, "also": r.Also, "symptoms": r.Symptoms, "risks": r.Risks, "hints": r.Hints}
		i := slices.IndexFunc(lists[e.in], func(f Finding) bool { return f.ID == e.id && (e.variant == "" || f.Variant == e.variant) })
		if i < 0 {
			t.Errorf("%s has no %s: %+v", e.in, e.id, lists[e.in])
		} else {
			message = lists[e.in][i].Message
		}
		if e.headline != r.Headline.ID && e.headline != "" {
			t.Errorf("headline %s, want %s", r.Headline.ID, e.headline)
		}
	}
	if !strings.Contains(message, e.says) {
		t.Errorf("message %q, want %q in it", message, e.says)
	}
	for _, id := range e.not {
		for _, list := range [][]Finding{r.Because, r.Also, r.Symptoms, r.Risks, r.Hints} {
			if slices.ContainsFunc(list, func(f Finding) bool { return f.ID == id }) {
				t.Errorf("there is %s", id)
			}
		}
	}
	if t.Failed() {
		t.Logf("%s: %s", r.Verdict.State, r.Headline.Message)
	}
}

// event is a Kubernetes Event about an object.
func event(kind, name, reason, message, at string) string {
	return fmt.Sprintf(`
kind: Event
metadata: {name: %[2]s.%[3]s}
involvedObject: {kind: %[1]s, namespace: shop, name: %[2]s, uid: %[4]s-%[2]s}
type: Warning
reason: %[3]s
message: %[5]q
lastTimestamp: $(%[6]s)
---
`, kind, name, reason, strings.ToLower(kind), message, at)
}

// lone is Service web with one Pod of Deployment web, whose status is given,
// listed as not ready.
func lone(podText string) string {
	return shop + webService + deployment(1, "ReplicaSetUpdated", "web:ok1 1 0") + podText + slice("web-a n1 notready")
}

// loneWith has one Pod on n1 with this status.
func loneWith(status string) string {
	return lone(pod("web-a", 1, "n1", "web:ok1", "1s", status))
}

// containers is a status with one container in a state.
func containers(state string) string {
	return `phase: Running,
  conditions: [{type: PodScheduled, status: "True", lastTransitionTime: $(1s)}, {type: Initialized, status: "True"},
    {type: ContainersReady, status: "False", reason: ContainersNotReady, lastTransitionTime: $(2s)},
    {type: Ready, status: "False", reason: ContainersNotReady, lastTransitionTime: $(2s)}],
  containerStatuses: [{name: web, ready: false, ` + state + `}]`
}

const crashed = `restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: %d, reason: %s, startedAt: $(10s), finishedAt: $(13s)}}`

func notReadyNode(name string) string {
	return fmt.Sprintf(`
kind: Node
metadata: {name: %s}
spec: {taints: [{key: node.kubernetes.io/unreachable, effect: NoExecute}]}
status: {conditions: [{type: Ready, status: Unknown, reason: NodeStatusUnknown, message: Kubelet stopped posting node status., lastTransitionTime: $(20s)}]}
---
`, name)
}

func examples() []example {
	return slices.Concat(serviceExamples(), selectionExamples(), workloadExamples(), podExamples(), endpointExamples(), outsideExamples(), otherSubjects())
}

func serviceExamples() []example {
	web := func(changes ...string) string { return sub(webService, changes...) }
	return []example{
		{id: "svc-missing", in: headlineList, first: shop + sub(webService, "name: web}", "name: weeb}"), state: Absent, says: "similar name: weeb"},
		{id: "svc-missing", variant: "", in: headlineList, first: "kind: Namespace\nmetadata: {name: other}\n", state: Absent, says: "neither does Namespace shop"},
		{id: "svc-deleted", in: headlineList, removed: webService, state: Absent, says: "was deleted, since 14:00:20Z", not: []string{"svc-missing"}},
		{
			id: "svc-recreated", in: riskList, first: baseline(), removed: webService,
			then:  sub(webService, "name: web}", "name: web, uid: service-web-2}", "10.96.0.10", "10.96.0.77") + sliceOf("service-web-2", "ports: [{name: http, port: 8080, protocol: TCP}]", "web-a n1 ready", "web-b n2 ready", "web-c n3 ready"),
			state: Serving, says: "moved from 10.96.0.10 to 10.96.0.77",
		},
		{id: "svc-terminating", in: riskList, then: web("name: web}", "name: web, deletionTimestamp: $(20s), finalizers: [service.kubernetes.io/load-balancer-cleanup]}"), says: "waits for finalizers service.kubernetes.io/load-balancer-cleanup"},
		{id: "svc-terminating", variant: "namespace", in: riskList, then: "kind: Namespace\nmetadata: {name: shop}\nstatus: {phase: Terminating}\n"},
		{id: "svc-selectorless-no-endpoints", in: headlineList, first: shop + web("selector: {app: web}", "selector: {}"), state: NotServing},
		{id: "svc-port-undefined", in: headlineList, options: Options{Port: "8080"}, state: NotServing, says: "has no port 8080; it has http 80/TCP"},
		{id: "svc-port-undefined", in: headlineList, options: Options{Port: "80/UDP"}, state: NotServing},
		{id: "svc-allocation-conflict", in: riskList, then: event("Service", "web", "ClusterIPAlreadyAllocated", "Cluster IP [IPv4]: 10.96.0.10 was assigned to multiple services; please recreate service", "20s")},
		{id: "svc-allocation-conflict", in: riskList, then: web("name: web}", "name: other}"), says: "same cluster IP"},
		{id: "svc-not-proxied", in: riskList, then: web("name: web}", "name: web, labels: {service.kubernetes.io/service-proxy-name: mesh}}"), says: `proxy "mesh"`},
		{id: "externalname-dead-target", in: headlineList, subject: "Service/alias", first: shop + "kind: Service\nmetadata: {name: alias}\nspec: {type: ExternalName, externalName: web.shop.svc.cluster.local}\n", state: NotServing, says: "alias for Service shop/web, which does not exist"},
		{id: "externalname-loop", in: headlineList, subject: "Service/alias", first: shop + "kind: Service\nmetadata: {name: alias}\nspec: {type: ExternalName, externalName: alias.shop.svc}\n", state: NotServing},
		{id: "externalname-misfit", variant: "is-ip", in: headlineList, subject: "Service/alias", first: shop + "kind: Service\nmetadata: {name: alias}\nspec: {type: ExternalName, externalName: 192.0.2.7}\n", state: NotServing},
		{id: "externalname-misfit", variant: "ignored-fields", in: hintList, subject: "Service/alias", first: shop + "kind: Service\nmetadata: {name: alias}\nspec: {type: ExternalName, externalName: db.example.com, selector: {app: db}}\n", state: Unknown},
		{id: "recording-gap", in: headlineList, without: []string{"EndpointSlice"}, state: Unknown, says: "EndpointSlices were not recorded"},
	}
}

func selectionExamples() []example {
	listed := slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready")
	pods := pod("web-a", 1, "n1", "web:ok1", "0s", running("1s"))
	relabelled := sub(pods, "labels: {app: web, pod-template-hash: h1}", "labels: {app: old}")
	return []example{
		{id: "selector-matches-nothing", in: headlineList, first: shop + webService + slice(), state: NotServing},
		{id: "selector-matches-nothing", in: becauseList, first: sub(baseline(), "selector: {app: web}", "selector: {app: wbe}", listed, slice()), state: NotServing, headline: "selector-typo"},
		{id: "selector-typo", in: headlineList, first: sub(baseline(), "selector: {app: web}", "selector: {app: wbe}", listed, slice()), state: NotServing, says: "its selector says app=wbe, but 3 ready Pods have app=web"},
		{id: "selector-typo", in: headlineList, first: sub(baseline(), "selector: {app: web}", "selector: {app.kubernetes.io/name: web}", listed, slice()), state: NotServing, says: "app.kubernetes.io/name=web, but 3 ready Pods have app=web"},
		{id: "selector-edited", in: headlineList, then: sub(webService, "selector: {app: web}", "selector: {app: web, tier: backend}") + slice(), state: NotServing, says: "from app=web to app=web,tier=backend"},
		{
			id: "pods-detached-by-label", in: headlineList,
			first: shop + webService + sub(pods, "ownerReferences", "x") + slice("web-a n1 ready"), then: relabelled + slice(), state: NotServing,
		},
		{
			id: "pods-detached-by-label", variant: "template", in: headlineList, removed: pods + pod("web-b", 1, "n2", "web:ok1", "0s", running("1s")) + pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")),
			then: strings.ReplaceAll(deployment(3, "NewReplicaSetAvailable", "web:ok1 3 3"), "labels: {app: web", "labels: {app: web2") + slice(), state: NotServing, says: "Deployment web now labels its Pods app=web2",
		},
		{
			id: "pod-labels-rewritten", in: headlineList, not: []string{"selector-typo", "pods-detached-by-label"},
			first: sub(baseline(), "selector: {app: web}", "selector: {app: web, tier: edge}", listed, slice(),
				"  template: {metadata: {labels: {app: web}}", "  selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {tier: edge, app: web}}",
				"  template: {metadata: {labels: {app: web, pod", "  template: {metadata: {labels: {tier: edge, app: web, pod"), // a ReplicaSet has the template of its Deployment
			state: NotServing, says: "3 Pods of Deployment web carry no tier where its template says tier=edge",
		},
		{id: "workload-deleted", in: headlineList, removed: strings.ReplaceAll(deployment(3, "NewReplicaSetAvailable", "web:ok1 3 3"), "$(created-1)", "$(0s)") + pods +
			pod("web-b", 1, "n2", "web:ok1", "0s", running("1s")) + pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")), then: slice(), state: NotServing, says: "Deployment web, which made the Pods"},
		{
			id: "selected-workload-has-no-pods", in: becauseList, then: deployment(0, "NewReplicaSetAvailable", "web:ok1 0 0") + slice(),
			removed: pods + pod("web-b", 1, "n2", "web:ok1", "0s", running("1s")) + pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")), headline: "workload-scaled-to-zero",
		},
		{id: "selected-pods-all-terminal", in: becauseList, first: shop + webService + slice() + sub(pods, "ownerReferences", "x", "phase: Running", "phase: Succeeded"), state: NotServing, headline: "container-completed"},
		{id: "selector-too-broad", in: hintList, then: "kind: Job\nmetadata: {name: job}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: job, image: job, ports: [{name: http, containerPort: 8080, protocol: TCP}]}]}}}\n---" +
			sub(pod("web-j", 1, "n1", "web:ok1", "20s", running("21s")), "kind: ReplicaSet, name: web-1, uid: rs-web-1", "kind: Job, name: job, uid: job-job", "apiVersion: apps/v1", "apiVersion: batch/v1") +
			slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready", "web-j n1 ready")},
		{id: "selector-too-broad", variant: "ports", in: riskList, says: "leads to one of them only", then: "kind: Job\nmetadata: {name: job}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: job, image: job}]}}}\n---" +
			sub(pod("web-j", 1, "n1", "web:ok1", "20s", running("21s")), "kind: ReplicaSet, name: web-1, uid: rs-web-1", "kind: Job, name: job, uid: job-job", "apiVersion: apps/v1", "apiVersion: batch/v1") +
			slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready", "web-j n1 ready")},
		{id: "workload-not-selected", in: hintList, subject: "Deployment/web", removed: webService, then: sub(webService, "selector: {app: web}", "selector: {app: wep}"), state: NotSelected, says: "Service web is near"},
	}
}

func workloadExamples() []example {
	gone := pod("web-a", 1, "n1", "web:ok1", "0s", running("1s")) + pod("web-b", 1, "n2", "web:ok1", "0s", running("1s")) + pod("web-c", 1, "n3", "web:ok1", "0s", running("1s"))
	badRollout := func(progress string) string {
		return deployment(3, progress, "web:ok1 3 3", "web:bad 1 0") + pod("web-d", 2, "n1", "web:bad", "20s", waiting("ImagePullBackOff", `Back-off pulling image "web:bad": not found`, "20s"))
	}
	set := func(pods string) string {
		return shop + webService + slice() + `
kind: StatefulSet
metadata: {name: web, generation: 1}
spec: {replicas: 3, podManagementPolicy: OrderedReady, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:ok1"}]}}}
status: {observedGeneration: 1, replicas: 1}
---` + pods
	}
	ownedBySet := func(p string) string {
		return sub(p, "kind: ReplicaSet, name: web-1, uid: rs-web-1", "kind: StatefulSet, name: web, uid: statefulset-web")
	}
	return []example{
		{
			id: "workload-scaled-to-zero", in: headlineList, then: sub(deployment(0, "NewReplicaSetAvailable", "web:ok1 0 0"), "generation: 1,",
				"generation: 1, managedFields: [{manager: kubectl, operation: Update, subresource: scale, time: $(20s), fieldsType: FieldsV1, fieldsV1: {\"f:spec\": {\"f:replicas\": {}}}}],") + slice(), removed: gone,
			state: NotServing, says: "Deployment web was scaled from 3 to 0 by kubectl (scale)",
		},
		{
			id: "autoscaler-scaled-down", in: headlineList, removed: gone, then: deployment(0, "NewReplicaSetAvailable", "web:ok1 0 0") + slice() +
				"kind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 3}\n---" + event("HorizontalPodAutoscaler", "web", "SuccessfulRescale", "New size: 0; reason: All metrics below target", "20s"),
			state: NotServing, says: "All metrics below target",
		},
		{id: "hpa-cannot-scale", in: symptomList, then: "kind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 3}\nstatus: {conditions: [{type: ScalingActive, status: \"False\", reason: FailedGetResourceMetric, message: no metrics known}]}\n"},
		{id: "replica-create-failed", variant: "quota-exhausted", in: headlineList, then: sub(deployment(4, "NewReplicaSetAvailable", "web:ok1 3 3"), "conditions: [",
			`conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: 'pods "web-x" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=3, limited: pods=3', lastTransitionTime: $(20s)}, `) +
			"kind: ResourceQuota\nmetadata: {name: pods}\nstatus: {hard: {pods: 3}, used: {pods: 3}}\n", state: Degraded, says: "exceeded quota: pods"},
		{
			id: "replica-create-failed", variant: "webhook-unreachable", in: becauseList, then: sub(deployment(4, "NewReplicaSetAvailable", "web:ok1 3 3"), "conditions: [",
				`conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: 'failed calling webhook "w": Post "https://guard.shop.svc:443/x": no endpoints', lastTransitionTime: $(20s)}, `),
			state: Degraded, headline: "svc-missing",
		},
		{id: "statefulset-blocked", in: becauseList, first: set(ownedBySet(pod("web-0", 1, "n1", "web:ok1", "1s", waiting("ErrImagePull", "manifest unknown", "2s")))), state: NotServing, headline: "image-pull-failed"},
		{id: "controller-behind", in: headlineList, then: sub(deployment(5, "NewReplicaSetAvailable", "web:ok1 3 3"), "generation: 1,", "generation: 2,"), state: Degraded, says: "generation 2, observed 1"},
		{id: "control-plane-stalled", in: headlineList, then: sub(deployment(5, "NewReplicaSetAvailable", "web:ok1 3 3"), "generation: 1,", "generation: 2,") +
			"kind: Lease\nmetadata: {name: kube-controller-manager, namespace: kube-system}\nspec: {leaseDurationSeconds: 15, renewTime: \"2026-11-23T14:00:18.000000Z\"}\n", state: Degraded},
		{
			id: "rollout-cut-capacity", in: headlineList, at: 30 * time.Second, removed: gone,
			then: sub(deployment(3, "ReplicaSetUpdated", "web:ok1 0 0", "web:ok2 3 0"), "spec:\n  replicas: 3\n  template", "spec:\n  strategy: {type: Recreate}\n  replicas: 3\n  template") +
				pod("web-d", 2, "n1", "web:ok2", "25s", unready("26s", "26s")) + pod("web-e", 2, "n2", "web:ok2", "25s", unready("26s", "26s")) + pod("web-f", 2, "n3", "web:ok2", "25s", unready("26s", "26s")) + slice("web-d n1 notready"),
			state: NotServing, says: "strategy Recreate", not: []string{"readiness-probe-failing"},
		},
		{id: "rollout-stuck", in: becauseList, then: badRollout("ProgressDeadlineExceeded"), state: Degraded, headline: "image-pull-failed"},
		{id: "rollout-in-progress", in: headlineList, at: 22 * time.Second, then: deployment(3, "ReplicaSetUpdated", "web:ok1 3 3", "web:ok2 1 0") + pod("web-d", 2, "n1", "web:ok2", "20s", waiting("ContainerCreating", "", "20s")), state: Converging},
		{id: "rollout-paused", in: symptomList, then: sub(deployment(3, "ReplicaSetUpdated", "web:ok1 3 3", "web:ok2 0 0"), "spec:\n  replicas: 3\n  template", "spec:\n  paused: true\n  replicas: 3\n  template")},
		{id: "new-revision-unhealthy", in: becauseList, then: badRollout("ReplicaSetUpdated"), state: Degraded, headline: "image-pull-failed", says: "rev 1 serves on with 3 Pods"},
		{id: "image-change-preceded-failure", in: becauseList, then: badRollout("ReplicaSetUpdated"), state: Degraded, says: "only Pods with image web:bad fail; it replaced web:ok1"},
		{id: "daemonset-gaps", in: symptomList, then: "kind: DaemonSet\nmetadata: {name: agent}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: x, ports: [{name: http, containerPort: 8080, protocol: TCP}]}]}}}\nstatus: {desiredNumberScheduled: 3, numberReady: 2}\n"},
		{id: "pdb-blocks-eviction", in: riskList, then: "kind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {minAvailable: 3, selector: {matchLabels: {app: web}}}\nstatus: {disruptionsAllowed: 0, observedGeneration: 1}\n---\nkind: Node\nmetadata: {name: n1}\nspec: {unschedulable: true}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n", state: Serving},
	}
}

func podExamples() []example {
	withVolume := func(text string) string {
		return sub(text, "containers: [{name: web, image", "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}], containers: [{name: web, image")
	}
	configured := func(text string) string {
		return sub(text, "containers: [{name: web, image", "containers: [{name: web, envFrom: [{configMapRef: {name: conf}}], image")
	}
	terminatingPod := func(name, node, meta string) string {
		return podWith(name, 1, node, "web:ok1", "0s", "deletionTimestamp: $(50s)\n  deletionGracePeriodSeconds: 30"+meta, running("1s"))
	}
	initial := func(state string) string {
		return sub(loneWith(`phase: Pending,
  conditions: [{type: PodScheduled, status: "True", lastTransitionTime: $(1s)}, {type: Initialized, status: "False", lastTransitionTime: $(1s)}, {type: Ready, status: "False", lastTransitionTime: $(1s)}],
  initContainerStatuses: [{name: wait, ready: false, `+state+`}], containerStatuses: [{name: web, ready: false, state: {waiting: {reason: PodInitializing}}}]`),
			"spec: {nodeName: \"n1\",", "spec: {nodeName: \"n1\", initContainers: [{name: wait, image: busybox}],")
	}
	return []example{
		{id: "pod-unschedulable", variant: "were unschedulable", in: headlineList, first: lone(pod("web-a", 1, "", "web:ok1", "1s", unscheduled("0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 node(s) were unschedulable.", "2s"))), state: NotServing},
		{id: "pod-scheduling-gated", in: headlineList, first: sub(lone(pod("web-a", 1, "", "web:ok1", "1s", `phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: SchedulingGated, lastTransitionTime: $(1s)}]`)), "spec: {nodeName: \"\",", "spec: {schedulingGates: [{name: kueue}], nodeName: \"\","), state: NotServing, says: "scheduling gate kueue"},
		{id: "pod-ignored-by-scheduler", in: headlineList, first: sub(lone(pod("web-a", 1, "", "web:ok1", "1s", "phase: Pending")), "spec: {nodeName: \"\",", "spec: {schedulerName: mine, nodeName: \"\","), state: NotServing, says: `"mine"`},
		{id: "pod-disrupted", variant: "Evicted", in: headlineList, first: sub(lone(pod("web-a", 1, "n1", "web:ok1", "1s", "phase: Failed, reason: Evicted, message: The node was low on resource memory.")), "ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet", "x: [{apiVersion: apps/v1, kind: ReplicaSet", "replicas: 1\n  template", "replicas: 0\n  template"), state: NotServing},
		{id: "volume-unavailable", variant: "claim pending", in: headlineList, first: withVolume(lone(pod("web-a", 1, "", "web:ok1", "1s", unscheduled("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "2s")))) +
			"kind: PersistentVolumeClaim\nmetadata: {name: data}\nstatus: {phase: Pending}\n---" + event("PersistentVolumeClaim", "data", "ProvisioningFailed", `storageclass "fast" not found`, "3s"), state: NotServing, says: `storageclass "fast" not found`},
		{id: "volume-unavailable", variant: "FailedMount", in: headlineList, first: loneWith(waiting("ContainerCreating", "", "1s")) + event("Pod", "web-a", "FailedMount", `MountVolume.SetUp failed for volume "conf": configmap "conf" not found`, "5s"), state: NotServing, says: `configmap "conf" not found`},
		{id: "pod-sandbox-failed", in: headlineList, first: loneWith(waiting("ContainerCreating", "", "1s")) + event("Pod", "web-a", "FailedCreatePodSandBox", "failed to set up pod network: no IP addresses available", "5s"), state: NotServing},
		{id: "node-network-unavailable", in: headlineList, first: loneWith(waiting("ContainerCreating", "", "1s")) + event("Pod", "web-a", "NetworkNotReady", "network is not ready", "5s") +
			"kind: Node\nmetadata: {name: n1}\nstatus: {conditions: [{type: Ready, status: \"True\"}, {type: NetworkUnavailable, status: \"True\", reason: NoRouteCreated, lastTransitionTime: $(1s)}]}\n", state: NotServing},
		{id: "pod-stalled-on-node", in: headlineList, first: loneWith(`phase: Pending, conditions: [{type: PodScheduled, status: "True", lastTransitionTime: $(1s)}]`), state: NotServing},
		{id: "image-pull-failed", variant: "credentials", in: headlineList, first: loneWith(waiting("ErrImagePull", "pull access denied, 401 unauthorized", "2s")), state: NotServing, says: "the only Pod of Deployment web (rev 1) cannot pull image web:ok1 (credentials)"},
		{id: "image-pull-failed", variant: "rate limit", in: headlineList, first: loneWith(waiting("ErrImagePull", "429 Too Many Requests - toomanyrequests", "2s")), state: NotServing},
		{id: "container-config-error", in: headlineList, first: loneWith(waiting("CreateContainerConfigError", `secret "db" not found`, "2s")), state: NotServing, says: `secret "db" not found`},
		{id: "container-start-error", in: headlineList, first: loneWith(waiting("RunContainerError", `exec: "serve": executable file not found in $PATH`, "2s")), state: NotServing},
		{id: "crash-loop", in: headlineList, first: loneWith(containers(fmt.Sprintf(crashed, 1, "Error"))), state: NotServing, says: "exits with code 1 after 3s"},
		{id: "oom-killed", in: headlineList, first: sub(loneWith(containers(fmt.Sprintf(crashed, 137, "OOMKilled"))), "containers: [{name: web, image", "containers: [{name: web, resources: {limits: {memory: 64Mi}}, image"), state: NotServing, says: "its limit of 64Mi"},
		{id: "crash-loop", in: becauseList, first: loneWith(containers(fmt.Sprintf(crashed, 137, "OOMKilled"))), headline: "oom-killed"},
		{id: "liveness-killing", in: headlineList, first: sub(loneWith(containers(fmt.Sprintf(crashed, 137, "Error"))), "readinessProbe", "livenessProbe: {tcpSocket: {port: 1}}, readinessProbe") + event("Pod", "web-a", "Killing", "Container web failed liveness probe, will be restarted", "10s"), state: NotServing},
		{id: "container-completed", in: headlineList, first: sub(loneWith(containers("restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed, finishedAt: $(10s)}}")), "spec: {nodeName", "spec: {restartPolicy: Never, nodeName"), state: NotServing},
		{id: "init-blocking", in: headlineList, first: initial("restartCount: 0, state: {running: {startedAt: $(2s)}}"), state: NotServing, says: "init container wait"},
		{id: "init-blocking", in: becauseList, first: initial(fmt.Sprintf(crashed, 1, "Error")), headline: "crash-loop"},
		{id: "pod-stuck-terminating", in: symptomList, at: 3 * time.Minute, then: terminatingPod("web-a", "n1", "\n  finalizers: [x.example/keep]") + pod("web-d", 1, "n1", "web:ok1", "20s", running("21s")) +
			slice("web-a n1 terminating", "web-b n2 ready", "web-c n3 ready", "web-d n1 ready"), state: Serving, says: "finalizers hold it: x.example/keep"},
		{id: "startup-probe-pending", in: headlineList, first: sub(loneWith(containers("restartCount: 0, started: false, state: {running: {startedAt: $(2s)}}")), "readinessProbe", "startupProbe: {httpGet: {path: /up, port: 8080}, periodSeconds: 1, failureThreshold: 30}, readinessProbe"), state: NotServing, says: "GET :8080/up"},
		{id: "readiness-probe-failing", in: headlineList, first: loneWith(unready("2s", "2s")) + event("Pod", "web-a", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "60s"), state: NotServing, says: "(GET :8080/healthz): HTTP 503"},
		{id: "readiness-gate-blocking", in: headlineList, first: sub(loneWith(strings.Replace(running("2s"), `{type: Ready, status: "True"`, `{type: Ready, status: "False", reason: ReadinessGatesNotReady`, 1)), "spec: {nodeName", "spec: {readinessGates: [{conditionType: target-health.elbv2.k8s.aws/x}], nodeName"), state: NotServing, says: "AWS load balancer controller"},
		{
			id: "pod-notready-by-node-controller", in: becauseList, then: notReadyNode("n2") + pod("web-b", 1, "n2", "web:ok1", "0s", strings.Replace(running("1s"), `{type: Ready, status: "True"`, `{type: Ready, status: "False"`, 1)) + slice("web-a n1 ready", "web-b n2 notready", "web-c n3 ready"),
			state: Degraded, headline: "node-not-ready", not: []string{"readiness-probe-failing"},
		},
		{
			id: "node-not-ready", in: headlineList, then: notReadyNode("n2") + pod("web-b", 1, "n2", "web:ok1", "0s", strings.Replace(running("1s"), `{type: Ready, status: "True"`, `{type: Ready, status: "False"`, 1)) + slice("web-a n1 ready", "web-b n2 notready", "web-c n3 ready"),
			state: Degraded, says: "Node n2 is not ready (NodeStatusUnknown: Kubelet stopped posting node status), which puts 1 of 3 Pods of Deployment web (rev 1) out of service, since 14:00:20Z",
		},
		{
			id: "config-change-preceded-failure", in: becauseList, first: configured(lone(pod("web-a", 1, "n1", "web:ok1", "1s", running("2s")))) + "kind: ConfigMap\nmetadata: {name: conf}\ndata: {MODE: normal}\n",
			then: "kind: ConfigMap\nmetadata: {name: conf}\ndata: {MODE: broken}\n---" + configured(pod("web-a", 1, "n1", "web:ok1", "1s", containers(strings.NewReplacer("$(10s)", "$(30s)", "$(13s)", "$(33s)").Replace(fmt.Sprintf(crashed, 1, "Error"))))), state: NotServing, headline: "crash-loop", says: "ConfigMap conf key MODE changed at 14:00:20Z",
		},
		{id: "config-change-preceded-failure", variant: "latent", in: riskList, first: configured(baseline()) + "kind: ConfigMap\nmetadata: {name: conf}\ndata: {MODE: normal}\n", then: "kind: ConfigMap\nmetadata: {name: conf}\ndata: {MODE: broken}\n", state: Serving, says: "at their next start"},
		{
			id: "deletion-order", in: becauseList, first: configured(loneWith(running("2s"))) + "kind: ConfigMap\nmetadata: {name: conf}\ndata: {MODE: normal}\n", removed: "kind: ConfigMap\nmetadata: {name: conf}\ndata: {MODE: normal}\n",
			then: configured(pod("web-a", 1, "n1", "web:ok1", "1s", waiting("CreateContainerConfigError", `configmap "conf" not found`, "25s"))), state: NotServing, headline: "container-config-error", says: "ConfigMap conf was deleted",
		},
		{id: "readiness-flapping", in: symptomList, at: 30 * time.Second, state: Serving, says: "3 times since 14:00:05Z", story: func(w *world) {
			for at := 5 * time.Second; at <= 15*time.Second; at += 5 * time.Second {
				w.apply(at, slice("web-a n1 notready", "web-b n2 notready", "web-c n3 notready"))
				w.apply(at+2*time.Second, slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready"))
			}
		}},
		{id: "pods-not-ready", in: headlineList, subject: "Pod/web-a", first: loneWith(unready("115s", "115s")), state: Converging, at: 118 * time.Second},
		{id: "pod-terminating", in: headlineList, subject: "Pod/web-a", then: terminatingPod("web-a", "n1", ""), state: Converging, at: 30 * time.Second},
	}
}

func endpointExamples() []example {
	manual := func(labels, ports string) string {
		return shop + sub(webService, "selector: {app: web}", "selector: {}") + `
kind: EndpointSlice
metadata: {name: db, labels: {kubernetes.io/service-name: web` + labels + `}}
addressType: IPv4
ports: [` + ports + `]
endpoints: [{addresses: [192.0.2.9]}]
---`
	}
	headlessWeb := sub(webService, "clusterIP: 10.96.0.10", "clusterIP: None")
	two := func(ready ...string) string { return slice(ready...) }
	return []example{
		{id: "no-usable-endpoints", in: becauseList, first: loneWith(unready("2s", "2s")), headline: "readiness-probe-failing", state: NotServing},
		{id: "headless-no-addresses", in: becauseList, first: strings.Replace(loneWith(unready("2s", "2s")), "clusterIP: 10.96.0.10", "clusterIP: None", 1), headline: "readiness-probe-failing", state: NotServing},
		{id: "endpoints-partial", in: becauseList, then: pod("web-a", 1, "n1", "web:ok1", "0s", unready("1s", "20s")) + two("web-a n1 notready", "web-b n2 ready", "web-c n3 ready"), headline: "readiness-probe-failing", state: Degraded},
		{id: "only-terminating-endpoints", in: headlineList, at: 22 * time.Second, then: podWith("web-a", 1, "n1", "web:ok1", "0s", "deletionTimestamp: $(50s)\n  deletionGracePeriodSeconds: 30", running("1s")) +
			podWith("web-b", 1, "n2", "web:ok1", "0s", "deletionTimestamp: $(50s)", running("1s")) + podWith("web-c", 1, "n3", "web:ok1", "0s", "deletionTimestamp: $(50s)", running("1s")) +
			pod("web-d", 1, "n1", "web:ok1", "20s", waiting("ContainerCreating", "", "20s")) + pod("web-e", 1, "n1", "web:ok1", "20s", waiting("ContainerCreating", "", "20s")) + pod("web-f", 1, "n1", "web:ok1", "20s", waiting("ContainerCreating", "", "20s")) +
			two("web-a n1 terminating", "web-b n2 terminating", "web-c n3 terminating"), state: Degraded, says: "until 14:00:50Z at the latest"},
		{
			id: "all-endpoints-lost-at-once", in: headlineList, at: 25 * time.Second, removed: pod("web-a", 1, "n1", "web:ok1", "0s", running("1s")) + pod("web-b", 1, "n2", "web:ok1", "0s", running("1s")) + pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")),
			then:  pod("web-d", 1, "n1", "web:ok1", "20s", unready("21s", "21s")) + pod("web-e", 1, "n1", "web:ok1", "20s", unready("21s", "21s")) + pod("web-f", 1, "n1", "web:ok1", "20s", unready("21s", "21s")) + two("web-d n1 notready"),
			state: NotServing,
		},
		{
			id: "target-port-name-unresolved", in: headlineList, first: sub(baseline(), "name: http, containerPort", "name: web, containerPort", "ports: [{name: http, port: 8080, protocol: TCP}]", "ports: []"), state: NotServing,
			says: `port http sends to targetPort "http", which does not exist on all 3 Pods of Deployment web (rev 1) (declared: "web" 8080/TCP)`, not: []string{"selector-matches-nothing"},
		},
		{id: "target-port-undeclared", in: hintList, then: sub(webService, "targetPort: http", "targetPort: 9090"), says: "sends to 9090"},
		{id: "slice-invisible-to-proxy", in: headlineList, first: manual("", "{name: postgres, port: 5432, protocol: TCP}"), state: NotServing, says: "carry none of the names"},
		{id: "ip-family-mismatch", in: headlineList, first: sub(baseline(), "ipFamilies: [IPv4]", "ipFamilies: [IPv6]", "addressType: IPv4", "addressType: IPv6", "endpoints:\n", "endpoints: []\nx:\n"), state: NotServing},
		{id: "endpointslice-missing", in: headlineList, first: strings.Replace(baseline(), "kind: EndpointSlice\nmetadata:\n  name: web-1\n  labels: {kubernetes.io/service-name: web,", "kind: EndpointSlice\nmetadata:\n  name: web-1\n  labels: {kubernetes.io/service-name: other,", 1), state: NotServing},
		{id: "endpointslice-stale", variant: "missing", in: headlineList, first: sub(baseline(), slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready"), slice("web-a n1 ready", "web-b n2 ready")), state: Degraded},
		{id: "endpointslice-stale", variant: "pod-gone", in: headlineList, removed: pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")), then: pod("web-d", 1, "n3", "web:ok1", "0s", running("1s")) + slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready", "web-d n3 ready"), state: Degraded, says: "Pod web-c, which is gone"},
		{id: "slices-frozen", in: riskList, then: sub(webService, "selector: {app: web}", "selector: {}"), state: Serving},
		{id: "slices-frozen", variant: "pod-gone", in: headlineList, removed: pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")), then: sub(webService, "selector: {app: web}", "selector: {}"), state: Degraded},
		{id: "foreign-endpointslice", in: riskList, then: sub(slice("web-a n1 ready"), "name: web-1\n", "name: copied\n", "endpointslice-controller.k8s.io", "somebody"), state: Serving},
		{id: "publish-not-ready", in: riskList, then: sub(webService, "type: ClusterIP", "type: ClusterIP\n  publishNotReadyAddresses: true") + sub(slice("web-a n1 ready"), "serving: true", "serving: false"), says: "get traffic"},
		{id: "sidecar-missing", in: riskList, state: Serving, says: "1 Pod made from the same template has no container proxy, which 2 others have: web-b", then: strings.Join([]string{
			sub(pod("web-a", 1, "n1", "web:ok1", "0s", running("1s")), "containers: [", "containers: [{name: proxy, image: proxy}, "),
			sub(pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")), "containers: [", "containers: [{name: proxy, image: proxy}, "),
		}, "")},
		{id: "mesh-subset-empty", in: riskList, state: Serving, then: virtualServiceTo("web", "v2") + destinationRuleOf("web", "v1: {app: web}", "v2: {version: v2}"), says: "VirtualService shop/routes sends requests to subset v2, and no ready Pod of the Service has its labels version=v2"},
		{id: "mesh-subset-empty", variant: "undefined", in: riskList, state: Serving, then: virtualServiceTo("web.shop.svc.cluster.local", "v3") + destinationRuleOf("web.shop", "v1: {app: web}"), says: "subset v3, which no DestinationRule of the Service defines"},
		{id: "mesh-subset-empty", variant: "undefined", in: riskList, state: Serving, then: virtualServiceTo("web", "v3"), says: "subset v3, which no DestinationRule of the Service defines"},
		{id: "duplicate-pod-ip", in: riskList, then: sub(pod("web-b", 1, "n2", "web:ok1", "0s", running("1s")), "10.0.2.103", "10.0.1.102")},
		{id: "endpoints-not-mirrored", in: headlineList, first: shop + sub(webService, "selector: {app: web}", "selector: {}") + "kind: Endpoints\nmetadata: {name: web, labels: {endpointslice.kubernetes.io/skip-mirror: \"true\"}}\nsubsets: [{addresses: [{ip: 192.0.2.9}], ports: [{port: 80}]}]\n", state: NotServing},
		{id: "endpoints-truncated", in: hintList, then: "kind: Endpoints\nmetadata: {name: web, annotations: {endpoints.kubernetes.io/over-capacity: truncated}}\n"},
		{id: "topology-concentration", in: riskList, then: sub(slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready"), "nodeName: n1", "hints: {forZones: [{name: a}]}\n  nodeName: n1", "nodeName: n2", "hints: {forZones: [{name: b}]}\n  nodeName: n2", "nodeName: n3", "hints: {forZones: [{name: c}]}\n  nodeName: n3")},
		{id: "readiness-not-covering-port", in: hintList, then: sub(webService, "targetPort: http", "targetPort: 9090")},
		{id: "headless-port-mapping-ignored", in: hintList, then: sub(headlessWeb, "targetPort: http", "targetPort: 8080"), says: "clients must use 8080"},
		{id: "governing-service-mismatch", in: hintList, then: "kind: StatefulSet\nmetadata: {name: db}\nspec: {replicas: 0, serviceName: web, template: {metadata: {labels: {app: db}}}}\n", says: "it is not headless"},
		{id: "hostnetwork-backends", in: hintList, then: sub(pod("web-a", 1, "n1", "web:ok1", "0s", running("1s")), "spec: {nodeName", "spec: {hostNetwork: true, nodeName")},
		{id: "endpoint-lag", in: riskList, at: 40 * time.Second, state: Serving, says: "12s after the Pod", story: func(w *world) {
			w.apply(5*time.Second, pod("web-a", 1, "n1", "web:ok1", "0s", unready("1s", "5s")))
			w.apply(6*time.Second, slice("web-a n1 notready", "web-b n2 ready", "web-c n3 ready"))
			w.apply(8*time.Second, pod("web-a", 1, "n1", "web:ok1", "0s", running("8s")))
		}, then: slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready")},
		{id: "terminated-before-drained", in: riskList, at: 40 * time.Second, state: Serving, says: "2 Pods", story: func(w *world) {
			for _, p := range []string{"web-d", "web-e"} {
				w.apply(5*time.Second, pod(p, 1, "n1", "web:ok1", "5s", running("5s")))
			}
			w.apply(6*time.Second, slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready", "web-d n1 ready", "web-e n1 ready"))
			for _, p := range []string{"web-d", "web-e"} {
				w.remove(15*time.Second, podWith(p, 1, "n1", "web:ok1", "5s", "deletionTimestamp: $(45s)\n  deletionGracePeriodSeconds: 30", running("5s")))
			}
		}, then: slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready")},
		{id: "endpoint-node-missing", in: headlineList, removed: "kind: Node\nmetadata: {name: n2}\n", then: slice("web-a n1 ready", "web-c n3 ready"), state: Degraded, says: "Node n2 does not exist any more"},
	}
}

// httpRouteOf is a route of Gateway edge to one backend.
func httpRouteOf(backend, port string) string {
	return fmt.Sprintf("kind: HTTPRoute\nmetadata: {name: web}\nspec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: %s, port: %s}]}]}\n---\nkind: Gateway\nmetadata: {name: edge}\nstatus: {conditions: [{type: Programmed, status: \"True\"}]}\n---\n", backend, port)
}

func outsideExamples() []example {
	lb := sub(webService, "type: ClusterIP", "type: LoadBalancer")
	policy := func(spec string) string { return "kind: NetworkPolicy\nmetadata: {name: deny}\nspec: " + spec + "\n" }
	client := "kind: Namespace\nmetadata: {name: client, labels: {team: fe}}\n---\nkind: Pod\nmetadata: {name: c, namespace: client, labels: {role: fe}}\nspec: {nodeName: n3, containers: [{name: c, image: c}]}\n---\n"
	dnsService := sub(webService, "name: web}", "name: kube-dns, namespace: kube-system}", "app: web", "k8s-app: kube-dns", "10.96.0.10", "10.96.0.2")
	proxyPod := func(node, ready string) string {
		return fmt.Sprintf("kind: Pod\nmetadata: {name: kube-proxy-%s, namespace: kube-system, labels: {k8s-app: kube-proxy}}\nspec: {nodeName: %s}\nstatus: {phase: Running, conditions: [{type: Ready, status: %q, lastTransitionTime: $(1s)}]}\n---\n", node, node, ready)
	}
	return []example{
		{id: "lb-pending", variant: "no controller", in: headlineList, then: lb, state: PartiallyServing, says: "serves in-cluster from 3 Pods, but the load balancer has no address"},
		{id: "lb-pending", variant: "SyncLoadBalancerFailed", in: headlineList, at: 30 * time.Second, then: lb + event("Service", "web", "SyncLoadBalancerFailed", "Error syncing load balancer: quota exceeded", "25s"), state: PartiallyServing, says: "quota exceeded"},
		{id: "lb-pending", variant: "class mine", in: headlineList, then: sub(lb, "type: LoadBalancer", "type: LoadBalancer\n  loadBalancerClass: mine"), state: PartiallyServing},
		{id: "lb-status-error", in: riskList, then: sub(lb, "---", "status: {loadBalancer: {ingress: [{ip: 203.0.113.1}]}, conditions: [{type: LoadBalancerPortsError, status: \"True\", reason: Quota, message: too many rules}]}\n---"), state: Serving},
		{id: "lb-address-changed", in: riskList, first: sub(baseline(), webService, sub(lb, "---", "status: {loadBalancer: {ingress: [{ip: 203.0.113.1}]}}\n---")), then: sub(lb, "---", "status: {loadBalancer: {ingress: [{ip: 203.0.113.2}]}}\n---"), state: Serving, says: "from 203.0.113.1 to 203.0.113.2"},
		{id: "lb-source-ranges", in: hintList, then: sub(lb, "type: LoadBalancer", "type: LoadBalancer\n  loadBalancerSourceRanges: [198.51.100.0/24]", "---", "status: {loadBalancer: {ingress: [{ip: 203.0.113.1}]}}\n---")},
		{id: "externalips-unmanaged", in: hintList, then: sub(webService, "type: ClusterIP", "type: ClusterIP\n  externalIPs: [198.51.100.7]")},
		{id: "etp-local-gaps", in: headlineList, then: sub(webService, "type: ClusterIP", "type: NodePort\n  externalTrafficPolicy: Local", "port: 80", "nodePort: 30080, port: 80") + slice("web-a n1 ready") +
			pod("web-b", 1, "n1", "web:ok1", "0s", running("1s")) + pod("web-c", 1, "n1", "web:ok1", "0s", running("1s")) + slice("web-a n1 ready", "web-b n1 ready", "web-c n1 ready"), state: PartiallyServing, says: "no endpoint runs on n2, n3"},
		{id: "itp-local-gaps", in: headlineList, options: Options{From: "node/n3"}, then: sub(webService, "type: ClusterIP", "type: ClusterIP\n  internalTrafficPolicy: Local") +
			pod("web-c", 1, "n1", "web:ok1", "0s", running("1s")) + slice("web-a n1 ready", "web-b n2 ready", "web-c n1 ready"), state: NotServing, says: "no endpoint runs on n3"},
		{id: "itp-local-gaps", in: headlineList, then: sub(webService, "type: ClusterIP", "type: ClusterIP\n  internalTrafficPolicy: Local") +
			pod("web-c", 1, "n1", "web:ok1", "0s", running("1s")) + slice("web-a n1 ready", "web-b n2 ready", "web-c n1 ready"), state: PartiallyServing},
		{id: "ingress-backend-broken", in: headlineList, subject: "Ingress/web", then: "kind: Ingress\nmetadata: {name: web}\nspec: {rules: [{host: a.test, http: {paths: [{path: /, backend: {service: {name: web, port: {number: 8080}}}}]}}]}\n", state: NotServing, says: "a.test/ is routed to port 8080 of Service web, which has only http 80/TCP"},
		{id: "ingress-backend-broken", in: riskList, then: "kind: Ingress\nmetadata: {name: web}\nspec: {rules: [{host: a.test, http: {paths: [{path: /, backend: {service: {name: web, port: {number: 8080}}}}]}}]}\n", state: Serving},
		{id: "ingress-unclaimed", in: riskList, subject: "Ingress/web", then: "kind: Ingress\nmetadata: {name: web}\nspec: {ingressClassName: gone, defaultBackend: {service: {name: web, port: {name: http}}}}\n", state: Serving, says: "its IngressClass gone does not exist"},
		{id: "route-backend-unresolved", in: headlineList, subject: "HTTPRoute/web", then: httpRouteOf("other", "80"), state: NotServing, says: "shop/other of the route does not exist"},
		{id: "route-backend-unresolved", in: headlineList, subject: "HTTPRoute/web", then: httpRouteOf("web", "8080"), state: NotServing, says: "has no port 8080, only http 80/TCP"},
		{id: "route-backend-unresolved", in: headlineList, subject: "GRPCRoute/web", then: sub(httpRouteOf("web, namespace: far", "80"), "HTTPRoute", "GRPCRoute") + sub(webService, "name: web}", "name: web, namespace: far}"), state: NotServing, says: "no ReferenceGrant"},
		{id: "gateway-not-programmed", variant: "AddressNotUsable", in: headlineList, subject: "HTTPRoute/web", then: httpRouteOf("web", "80") +
			"kind: Gateway\nmetadata: {name: edge}\nstatus: {conditions: [{type: Programmed, status: \"False\", reason: AddressNotUsable, message: no address}]}\n", state: NotServing, says: "Gateway edge does not take the route: AddressNotUsable: no address"},
		{id: "cluster-dns-down", in: riskList, then: dnsService, state: Serving},
		{id: "cluster-dns-down", in: headlineList, options: Options{Symptom: "nxdomain"}, then: dnsService, state: Serving, says: "possibly cluster DNS"},
		{id: "kube-proxy-missing", in: riskList, then: proxyPod("n1", "True") + proxyPod("n2", "False") + proxyPod("n3", "True"), state: Serving, says: "no ready kube-proxy on n2"},
		{id: "netpol-denies-ingress", variant: "denies-all", in: hintList, then: policy("{podSelector: {}, policyTypes: [Ingress]}"), state: Serving, says: "no rule admits anybody to port 8080/TCP"},
		{id: "netpol-denies-ingress", variant: "denies-client", in: headlineList, options: Options{From: "pod/client/c", Symptom: "timeout"}, then: client + policy("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"), state: Serving},
		{id: "netpol-denies-ingress", variant: "restricts", in: hintList, then: policy("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"), state: Serving, not: []string{"netpol-wrong-port"}},
		{id: "netpol-wrong-port", in: hintList, then: policy("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"), state: Serving, says: "allows port 80, but policies see the Pods' port, which is 8080/TCP"},
		{id: "netpol-client-egress", variant: "dns", in: hintList, options: Options{From: "pod/client/c"}, then: client + "kind: NetworkPolicy\nmetadata: {name: egress, namespace: client}\nspec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 8080}]}]}\n", state: Serving},
	}
}

func otherSubjects() []example {
	return []example{
		{id: "subject-missing", in: headlineList, subject: "Pod/nobody", state: Absent},
		{id: "subject-deleted", in: headlineList, subject: "Pod/web-a", removed: pod("web-a", 1, "n1", "web:ok1", "0s", running("1s")), state: Absent},
		{id: "workload-deleted", in: headlineList, subject: "Deployment/web", removed: deployment(3, "NewReplicaSetAvailable", "web:ok1 3 3"), state: Absent},
		{id: "node-draining", variant: "cordoned", in: riskList, subject: "Node/n1", then: "kind: Node\nmetadata: {name: n1}\nspec: {unschedulable: true}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n", state: Serving},
		{id: "node-draining", in: headlineList, subject: "Node/n1", then: podWith("web-a", 1, "n1", "web:ok1", "0s", "deletionTimestamp: $(300s)", running("1s")) + "kind: Node\nmetadata: {name: n1, managedFields: [{manager: kubectl-cordon, operation: Update, time: $(20s), fieldsType: FieldsV1, fieldsV1: {\"f:spec\": {\"f:unschedulable\": {}}}}]}\nspec: {unschedulable: true}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n", state: Degraded, says: "cordoned by kubectl-cordon"},
		{id: "node-not-ready", in: headlineList, subject: "Node/n2", then: notReadyNode("n2"), state: NotServing},
		{id: "image-pull-failed", in: headlineList, subject: "Deployment/web", first: loneWith(waiting("ErrImagePull", "manifest unknown", "2s")), state: NotServing, says: "Deployment shop/web has no ready Pod: the only Pod"},
		{id: "target-port-name-unresolved", in: headlineList, subject: "Deployment/web", first: sub(baseline(), "name: http, containerPort", "name: web, containerPort", "ports: [{name: http, port: 8080, protocol: TCP}]", "ports: []"), state: NotServing, says: "Deployment shop/web is healthy, but Service shop/web is not serving"},
	}
}
