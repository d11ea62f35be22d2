package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
)

// unseenExamples are kinds that incidents nobody had tuned for brought up, each
// with what must not be taken for it.
func unseenExamples() []example {
	lease := func(node, renewed string) string {
		return fmt.Sprintf("kind: Lease\nmetadata: {name: %s, namespace: kube-node-lease}\nspec: {holderIdentity: %[1]s, leaseDurationSeconds: 40, renewTime: %s}\n---\n", node, renewed)
	}
	leases := func(w *world, from time.Duration, nodes ...string) {
		for at := from; at <= 2*time.Minute; at += 10 * time.Second {
			for _, n := range nodes {
				w.apply(at, lease(n, fmt.Sprintf("%q", start.Add(at).UTC().Format("2006-01-02T15:04:05.000000Z"))))
			}
		}
	}
	notReady := sub(shop[strings.Index(shop, "kind: Node"):strings.Index(shop, "kind: Node\nmetadata: {name: n2")], `status: "True", reason: KubeletReady`, `status: "False", reason: KubeletNotReady, message: node is shutting down, lastTransitionTime: $(20s)`)
	listed := slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready")
	udp := strings.Replace(listed, "protocol: TCP", "protocol: UDP", 1)
	numeric := sub(baseline(), "targetPort: http", "targetPort: 8080")
	green := strings.NewReplacer("web-", "green-", "app: web,", "app: web, slot: green,").Replace(pod("web-a", 1, "n1", "web:ok1", "0s", unready("1s", "1s")))
	blue := sub(baseline(), "selector: {app: web}", "selector: {app: web, slot: blue}")
	blue = strings.ReplaceAll(blue, "labels: {app: web, pod", "labels: {app: web, slot: blue, pod") + "---" + green
	refused := "kind: Event\nmetadata: {name: web.1}\ninvolvedObject: {kind: Service, namespace: shop, name: web, uid: service-web}\nreason: FailedToUpdateEndpointSlices\nmessage: 'Error updating Endpoint Slices for Service shop/web: admission webhook \"guard.example.com\" denied the request'\nfirstTimestamp: $(21s)\nlastTimestamp: $(90s)\n---\n"
	failedRollout := func(updated int) string {
		return sub(deployment(3, "ReplicaSetUpdated", "web:ok1 3 3", "web:ok2 0 0"), "conditions: [",
			`conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: 'pods "web-2-x" is forbidden: violates PodSecurity "restricted:latest"', lastTransitionTime: $(20s)}, `, "updatedReplicas: 0", fmt.Sprintf("updatedReplicas: %d", updated))
	}
	rejected := func(name, created string) string {
		return pod(name, 1, "n3", "web:ok1", created, "phase: Failed, reason: TopologyAffinityError, message: Resources cannot be allocated with Topology locality")
	}
	ended := strings.Replace(crashed, "restartCount: 4", "restartCount: 1", 1)
	return []example{
		// A Node that nobody hears, while the slices say ready.
		{id: "endpoint-on-silent-node", variant: "lease", in: riskList, state: Serving, at: 115 * time.Second, says: "Node n1 was last heard at 14:00:10Z", story: func(w *world) {
			w.apply(10*time.Second, lease("n1", `"2026-11-23T14:00:10.000000Z"`))
			leases(w, 10*time.Second, "n2", "n3")
		}},
		{id: "endpoint-on-silent-node", variant: "node", in: riskList, then: notReady, state: Serving, says: "Node n1 is not ready since 14:00:20Z"},

		// A port that leads where nothing is.
		{id: "service-port-changed", in: riskList, then: sub(webService, "targetPort: http", "targetPort: 9999"), state: Serving, says: "changed from http/TCP to 9999/TCP"},
		{id: "service-port-changed", in: riskList, first: numeric, then: sub(webService, "targetPort: http", "targetPort: 8080", "protocol: TCP", "protocol: UDP") + udp, state: Serving, says: "from 8080/TCP to 8080/UDP"},
		{id: "target-port-name-unresolved", in: headlineList, then: sub(webService, "protocol: TCP", "protocol: UDP") + strings.Replace(listed, "ports: [{name: http, port: 8080, protocol: TCP}]", "ports: []", 1), state: NotServing, says: `port http is UDP, and "http" on all 3 Pods of Deployment web (rev 1) is 8080/TCP`},

		// A controller that may not write.
		{id: "endpointslice-write-refused", in: headlineList, removed: pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")), then: pod("web-d", 1, "n3", "web:ok1", "0s", running("1s")) + refused, state: Degraded, says: `webhook "guard.example.com" denied`},

		// A switch to Pods that never were ready, and one to Pods that were.
		{id: "selector-edited", in: headlineList, first: blue, then: sub(webService, "selector: {app: web}", "selector: {app: web, slot: green}") + slice(), state: NotServing, says: "3 healthy Pods no longer match", not: []string{"selector-typo"}},

		// A Namespace that ends.
		{id: "svc-terminating", variant: "namespace", in: headlineList, then: "kind: Namespace\nmetadata: {name: shop, deletionTimestamp: $(20s)}\nstatus: {phase: Terminating, conditions: [{type: NamespaceFinalizersRemaining, status: \"True\", message: 'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances'}]}\n---" + slice(), state: NotServing, says: "example.com/hold"},

		// Addresses of Pods that are not ready.
		{id: "publish-not-ready", variant: "none ready", in: riskList, first: sub(shop+webService, "clusterIP: 10.96.0.10", "clusterIP: None\n  publishNotReadyAddresses: true") + pod("web-a", 1, "n1", "web:ok1", "0s", unready("1s", "1s")) + strings.Replace(slice("web-a n1 ready"), "serving: true", "serving: false", 1), says: "publishes 1 address although no Pod is ready"},

		// A second family that nobody has.
		{id: "ip-family-mismatch", variant: "IPv6", in: headlineList, then: sub(webService, "ipFamilies: [IPv4]", "ipFamilies: [IPv4, IPv6]\n  ipFamilyPolicy: RequireDualStack"), state: PartiallyServing, says: "no Pod has an IPv6 address"},

		// A rollout that cannot make its first Pod.
		{id: "replica-create-failed", variant: "pod-security", in: riskList, then: failedRollout(0), state: Serving, says: "new Pods of Deployment web (rev 2) cannot be created: violates PodSecurity"},
		{id: "replica-create-failed", variant: "pod-security", in: headlineList, subject: "Deployment/web", then: failedRollout(0), state: Degraded},

		// Time that has passed.
		{id: "only-terminating-endpoints", in: headlineList, at: 25 * time.Second, then: leaving("web-a", "n1", "22s") + leaving("web-b", "n2", "22s") + leaving("web-c", "n3", "22s") + slice("web-a n1 terminating", "web-b n2 terminating", "web-c n3 terminating"), says: "were to end by 14:00:22Z"},

		// Kubelets that refuse one Pod after the other.
		{
			id: "pods-rejected", variant: "TopologyAffinityError", in: headlineList, removed: pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")),
			then: rejected("web-d", "22s") + rejected("web-e", "26s") + slice("web-a n1 ready", "web-b n2 ready"), state: Degraded, says: "2 Pods were rejected or evicted by their Nodes in a row, the last by Node n3",
		},

		// A balancer behind which no Node may stand.
		{id: "lb-nodes-excluded", in: riskList, first: sub(strings.ReplaceAll(baseline(), "labels: {topology", `labels: {node.kubernetes.io/exclude-from-external-load-balancers: "", topology`), "type: ClusterIP", "type: LoadBalancer", "targetPort: http}]", "targetPort: http}]\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}"), state: Serving},

		// Containers that end well and are started again.
		{id: "crash-loop", in: headlineList, first: loneWith(containers(fmt.Sprintf(crashed, 0, "Completed"))), state: NotServing, says: "exits with code 0 after 3s (it ends"},
		{id: "crash-loop", in: headlineList, first: loneWith(containers(strings.Replace(fmt.Sprintf(ended, 0, "Completed"), "waiting: {reason: CrashLoopBackOff}", "terminated: {exitCode: 0, reason: Completed, startedAt: $(10s), finishedAt: $(13s)}", 1))), state: NotServing, not: []string{"container-completed"}},
	}
}

// TestDoubts: what packets may contradict is not called certain, and what they
// cannot is.
func TestDoubts(t *testing.T) {
	for _, c := range []struct {
		name      string
		then      string
		certainty Certainty
		not       string
	}{
		{"in good order", "", Certain, "endpoint-on-silent-node"},
		{"another declared port", sub(webService, "targetPort: http", "targetPort: 8080"), Certain, "service-port-changed"},
		{"a port of which nothing is declared", sub(webService, "targetPort: http", "targetPort: 9999"), Likely, ""},
		{"a policy that admits nobody", "kind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n", Likely, ""},
		{"a Node that is not ready", sub(shop[strings.Index(shop, "kind: Node"):strings.Index(shop, "kind: Node\nmetadata: {name: n2")], `status: "True"`, `status: Unknown`), Likely, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(time.Second, baseline())
			w.apply(20*time.Second, c.then)
			r := Diagnose(w.at(2*time.Minute), ref[corev1.Service]("web"), Options{})
			checkReport(t, r)
			if r.Verdict.State != Serving || r.Verdict.Certainty != c.certainty {
				t.Errorf("%s, %s: %s", r.Verdict.State, r.Verdict.Certainty, r.Headline.Message)
			}
			for _, f := range r.Risks {
				if f.ID == c.not {
					t.Errorf("%s: %s", f.ID, f.Message)
				}
			}
		})
	}
}

// Cluster DNS that is still coming up resolves no more names than one that is broken, and
// traffic that flows in part has its limits, too.
func TestDNSThatComesUp(t *testing.T) {
	w := newWorld(t)
	w.apply(time.Second, baseline())
	dns := "kind: Service\nmetadata: {name: kube-dns, namespace: kube-system}\nspec: {clusterIP: 10.96.0.53, ipFamilies: [IPv4], selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}\n---\n" +
		"kind: Pod\nmetadata: {name: dns-a, namespace: kube-system, labels: {k8s-app: kube-dns}, creationTimestamp: $(20s)}\nspec: {nodeName: n1, containers: [{name: dns, image: dns}]}\nstatus: {phase: Pending, conditions: [{type: Ready, status: \"False\", lastTransitionTime: $(20s)}]}\n---\n" +
		"kind: EndpointSlice\nmetadata: {name: kube-dns-1, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}\naddressType: IPv4\nports: [{name: dns, port: 53, protocol: UDP}]\n"
	w.apply(20*time.Second, dns)
	r := Diagnose(w.at(21*time.Second), ref[corev1.Service]("web"), Options{})
	if r.Verdict.Classes[0].Class != "dns" || r.Verdict.Classes[0].Result == kube.ResultOK {
		t.Errorf("classes %v while cluster DNS has no endpoint", r.Verdict.Classes)
	}
	if !slices.ContainsFunc(r.Risks, func(f Finding) bool { return f.ID == "cluster-dns-down" }) {
		t.Errorf("risks %v", r.Risks)
	}
}

// leaving is a Pod that was deleted and may run until then.
func leaving(name, node, until string) string {
	return podWith(name, 1, node, "web:ok1", "0s", "deletionTimestamp: $("+until+")\n  deletionGracePeriodSeconds: 30", running("1s"))
}

// Processes end before the grace of their Pods does: what rests on Pods that shut down is
// not certain, whatever stopped them. On real nodes connections failed for four seconds
// while the slices still called such endpoints serving.
func TestPodsThatShutDownAreNotCertain(t *testing.T) {
	all := leaving("web-a", "n1", "50s") + leaving("web-b", "n2", "50s") + leaving("web-c", "n3", "50s") + slice("web-a n1 terminating", "web-b n2 terminating", "web-c n3 terminating")
	recreate := sub(deployment(3, "ReplicaSetUpdated", "web:ok1 0 0", "web:ok2 3 0"), "spec:\n  replicas: 3\n  template", "spec:\n  strategy: {type: Recreate}\n  replicas: 3\n  template")
	slow, _, _ := strings.Cut(all, "kind: EndpointSlice") // the slices follow a moment later
	recreate = strings.NewReplacer("$(created-1)", "$(0s)", "$(created-2)", "$(20s)").Replace(recreate)
	for _, then := range []string{all, recreate + all, slow} {
		w := newWorld(t)
		w.apply(time.Second, baseline())
		w.apply(20*time.Second, then)
		r := Diagnose(w.at(23*time.Second), ref[corev1.Service]("web"), Options{})
		checkReport(t, r)
		if r.Verdict.State != Degraded && then != slow || r.Verdict.Certainty == Certain {
			t.Errorf("%s, %s: %s", r.Verdict.State, r.Verdict.Certainty, r.Headline.Message)
		}
		if len(r.Unknowable) == 0 {
			t.Errorf("%s with %v lists nothing that it cannot know", r.Verdict.State, r.Verdict.Classes)
		}
	}
}

// A first look knows how old a fault is as well as whoever listened all the time.
func TestFirstLookKnowsAges(t *testing.T) {
	w := newWorld(t)
	w.apply(time.Second, strings.ReplaceAll(sub(baseline(), running("1s"), unready("-90s", "-75s")), "creationTimestamp: $(0s)", "creationTimestamp: $(-100s)"))
	r := Diagnose(w.at(3*time.Second), ref[corev1.Service]("web"), Options{})
	if r.Verdict.State == Serving || r.Verdict.State == Converging {
		t.Errorf("%s: %s", r.Verdict.State, r.Headline.Message)
	}
	w = newWorld(t)
	w.apply(time.Second, baseline())
	w.apply(2*time.Second, pod("web-a", 1, "n1", "web:ok1", "0s", unready("1s", "2s")))
	if r := Diagnose(w.at(3*time.Second), ref[corev1.Service]("web"), Options{}); r.Verdict.State != Serving && r.Verdict.State != Converging {
		t.Errorf("the slices had no time to follow: %s: %s", r.Verdict.State, r.Headline.Message)
	}
}
