package analyzer

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/store"
)

// What is known of a Service with two ready endpoints, under each kind of
// coverage: what was written may be certain, what was not found is not.
func TestCoverageClasses(t *testing.T) {
	everything := []kind{kindOf[corev1.Service](), kindOf[corev1.Pod](), kindOf[discoveryv1.EndpointSlice]()}
	for _, test := range []struct {
		name      string
		status    store.Status
		of        []kind
		ready     bool // the slice has ready endpoints
		state     State
		certainty Certainty
		undecided string
		missing   State // of a Service that is not known
	}{
		{"stream", store.Current, everything, true, Serving, Certain, "", Absent},
		{"revisions", store.Revisions, everything, true, Serving, Certain, "", Absent},
		{"the Service by its writes, the rest by watches", store.Writes, everything[:1], true, Serving, Certain, "Services of kube-system and Services are known only if they were written", Unknown},
		{"writes show that it serves", store.Writes, everything, true, Serving, Likely, "known only if they were written", Unknown},
		{"writes never show that nothing serves", store.Writes, everything, false, Unknown, Possible, "EndpointSlices", Unknown},
		{"part of the objects", store.Partial, everything, false, Unknown, Possible, "recorded only in part", Unknown},
		{"writes without content", store.Unseen, everything, true, Unknown, Possible, "does not say to what", Unknown},
		{"lists one after the other", store.Instant, everything, true, Serving, Likely, "are as listed at", Absent},
		{"lists show that nothing serves", store.Instant, everything, false, NotServing, Likely, "are as listed at", Absent},
		{"other objects", store.Derived, everything, true, Unknown, Possible, "what other objects tell", Unknown},
		{"of a later version", "Telepathy", everything, true, Unknown, Possible, "were not recorded", Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			first := shop + webService
			if test.ready {
				first += pod("web-a", 1, "n1", "web:ok1", "0s", running("1s")) + pod("web-b", 1, "n2", "web:ok1", "0s", running("1s")) + slice("web-a n1 ready", "web-b n2 ready")
			} else {
				first += pod("web-a", 1, "n1", "web:ok1", "0s", unready("1s", "2s")) + pod("web-b", 1, "n2", "web:ok1", "0s", unready("1s", "2s")) + slice("web-a n1 notready", "web-b n2 notready")
			}
			w.apply(time.Second, first)
			for _, k := range test.of {
				w.cover(time.Minute, k, test.status)
			}
			v := w.at(2 * time.Minute)
			r := Diagnose(v, store.Ref{Resource: everything[0].resource, Namespace: "shop", Name: "web"}, Options{})
			if r.Verdict.State != test.state || r.Verdict.Certainty != test.certainty {
				t.Errorf("web is %s, %s (%s); want %s, %s", r.Verdict.State, r.Verdict.Certainty, r.Headline.Message, test.state, test.certainty)
			}
			if told := strings.Join(r.Undecided, "\n"); !strings.Contains(told, test.undecided) {
				t.Errorf("undecided is %q, want something with %q", told, test.undecided)
			}
			r = Diagnose(v, store.Ref{Resource: everything[0].resource, Namespace: "shop", Name: "nobody"}, Options{})
			if r.Verdict.State != test.missing {
				t.Errorf("a Service that is not known is %s (%s); want %s", r.Verdict.State, r.Headline.Message, test.missing)
			}
		})
	}
}

// An address whose Pod was deleted leads nowhere, although it is not known which
// other Pods there are.
func TestDeletedPodIsGoneUnderWrites(t *testing.T) {
	w := newWorld(t)
	a := pod("web-a", 1, "n1", "web:ok1", "0s", running("1s"))
	w.apply(time.Second, shop+webService+a+slice("web-a n1 ready"))
	w.cover(2*time.Second, kindOf[corev1.Pod](), store.Writes)
	w.remove(10*time.Second, a)
	r := Diagnose(w.at(time.Minute), store.Ref{Resource: kindOf[corev1.Service]().resource, Namespace: "shop", Name: "web"}, Options{})
	if r.Verdict.State != NotServing || r.Verdict.Certainty == Certain {
		t.Errorf("web is %s, %s; want NotServing, and not certain", r.Verdict.State, r.Verdict.Certainty)
	}
}

// TestPodNotDecoded: a Pod that cannot be decoded is not one that does not exist.
func TestPodNotDecoded(t *testing.T) {
	w := newWorld(t)
	w.apply(time.Second, baseline())
	w.apply(20*time.Second, strings.Replace(pod("web-a", 1, "n1", "web:ok1", "0s", running("1s")), "spec: {", "spec: {hostPID: sometimes, ", 1))
	r := Diagnose(w.at(40*time.Second), ref[corev1.Service]("web"), Options{})
	if r.Verdict.State != Serving || r.Verdict.Certainty == Certain {
		t.Errorf("%s, %s: %s", r.Verdict.State, r.Verdict.Certainty, r.Headline.Message)
	}
}
