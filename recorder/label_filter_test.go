package recorder

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

func TestScanLabels(t *testing.T) {
	for _, tt := range []struct {
		name, object string
		want         labels.Set
		fails        bool
	}{
		{"labels", `{"kind":"Pod","metadata":{"name":"a","labels":{"app":"web","tier":""},"uid":"1"},"spec":{"labels":{"no":"no"}}}`, labels.Set{"app": "web", "tier": ""}, false},
		{"metadata last", `{"spec":{"x":[{"metadata":{"labels":{"no":"no"}}}]},"metadata":{"labels":{"a/b":"c"}}}`, labels.Set{"a/b": "c"}, false},
		{"none", `{"metadata":{"name":"a"}}`, labels.Set{}, false},
		{"null", `{"metadata":{"labels":null}}`, labels.Set{}, false},
		{"null metadata", `{"metadata":null}`, labels.Set{}, false},
		{"null value", `{"metadata":{"labels":{"a":null,"b":"c"}}}`, labels.Set{"b": "c"}, false},
		{"escaped", `{"metadata":{"labels":{"\u0061":"\u0062"}}}`, labels.Set{"a": "b"}, false},
		{"cut", `{"metadata":{"labels":{"a":"b"`, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := scanLabels([]byte(tt.object))
			if (err != nil) != tt.fails {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); !tt.fails && diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

// An object that matched is recorded as long as it lives, whatever becomes of
// its labels; one that never did is not.
func TestSelectionFollowsWhatItKept(t *testing.T) {
	selector, err := labels.Parse("app=web")
	if err != nil {
		t.Fatal(err)
	}
	s := newLabelFilter(selector)
	web, other := []byte(`{"metadata":{"labels":{"app":"web"}}}`), []byte(`{"metadata":{"labels":{"app":"quarantine"}}}`)
	for i, tt := range []struct {
		kind   watch.EventType
		uid    string
		object []byte
		want   bool
	}{
		{watch.Added, "1", web, true},
		{watch.Added, "2", other, false},
		{watch.Modified, "1", other, true}, // it lost its label, and that is the news
		{watch.Modified, "2", other, false},
		{watch.Modified, "2", web, true}, // from now on
		{watch.Deleted, "1", other, true},
		{watch.Added, "1", other, false}, // UIDs do not come back, but nothing is kept of them
		{watch.Deleted, "3", web, true},
		{watch.Deleted, "2", other, true},
	} {
		got, err := s.keeps(tt.kind, types.UID(tt.uid), tt.object)
		if err != nil || got != tt.want {
			t.Errorf("%d: %s of %s kept: %v, %v; want %v", i, tt.kind, tt.uid, got, err, tt.want)
		}
	}
	if len(s.matched) != 0 {
		t.Errorf("%d objects are remembered after all were deleted", len(s.matched))
	}
}

// labelled is a Pod with a label app.
func labelled(name, resourceVersion, app string) string {
	return strings.Replace(pod(name, resourceVersion), `"name":`, `"labels":{"app":"`+app+`"},"name":`, 1)
}

// A stream of what matches never says that it knows everything, goes on from
// what it left out, and tells of the loss of a label as what it is.
func TestStreamOfASelection(t *testing.T) {
	selector, err := labels.Parse("app=web")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, map[string][]step{podsPath: {
		says(event("ADDED", labelled("a", "3", "web")), event("ADDED", labelled("b", "2", "db")), endOfList("7"),
			event("MODIFIED", labelled("a", "8", "quarantine")), event("MODIFIED", labelled("b", "9", "db"))),
		holds(event("DELETED", labelled("a", "10", "quarantine")), event("DELETED", labelled("b", "11", "db")), bookmark("12")),
	}})
	got := record(t, Options{Config: s.config(), Selector: selector}, "BOOKMARK 12")
	want := []string{
		"Listing", "RELIST", "ADDED a 3", "BOOKMARK 7 end", "Partial 7: only app=web", "MODIFIED a 8",
		"Gap 9: watch closed", "Partial 9 resumed: only app=web", "DELETED a 10", "BOOKMARK 12",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
	for _, q := range s.asked() {
		if strings.Contains(q, "labelSelector") {
			t.Errorf("asked for %s: the server would call it DELETED when a label goes", q)
		}
	}
}

// What a reference leads to is listened to from the moment it is named, once,
// and only if the profile has it.
func TestFollow(t *testing.T) {
	other := "/api/v1/namespaces/other/pods"
	s := newServer(t, map[string][]step{
		"/api/v1/namespaces/shop/pods": {holds(endOfList("1"))},
		other:                          {holds(event("ADDED", strings.Replace(pod("b", "2"), "shop", "other", 1)), endOfList("3"))},
	})
	s.resources = append(s.resources, kind("", "widgets", "Widget", true))
	follow, named := make(chan Target), make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	go func() {
		defer close(named)
		defer close(follow)
		for _, target := range []Target{
			{Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespace: "shop"},
			{Resource: schema.GroupVersionResource{Version: "v1", Resource: "widgets"}, Namespace: "other"},
			{Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespace: "other"},
			{Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespace: "other"},
		} {
			select {
			case follow <- target:
			case <-ctx.Done():
			}
		}
	}()
	memory := store.NewMemory(store.Header{})
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Config: s.config(), Profile: Minimal, Namespaces: []string{"shop"}, Follow: follow, Sink: memory, limits: &quick})
	}()
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	<-named
	for _, namespace := range []string{"shop", "other"} {
		for {
			c, err := memory.Coverage(pods, namespace, memory.Info().Last)
			if err != nil || ctx.Err() != nil {
				t.Fatalf("never listened to namespace %s", namespace)
			}
			if c.Status == store.Current {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	found, err := memory.Find(store.Query{Resource: pods, Namespace: "other", Name: "b"}, memory.Info().Last)
	if err != nil || len(found) != 1 {
		t.Errorf("what was listened to is not there: %v, %v", found, err)
	}
	if n := len(s.asked()); n != 2 {
		t.Errorf("%d requests: %q; want one for each namespace", n, s.asked())
	}
}

func TestSubjectTargets(t *testing.T) {
	discovery := []metav1.APIResource{
		kind("", "events", "Event", true), kind("", "namespaces", "Namespace", false), kind("", "nodes", "Node", false),
		kind("", "pods", "Pod", true), kind("", "secrets", "Secret", true), kind("", "services", "Service", true),
		kind("coordination.k8s.io", "leases", "Lease", true), kind("scheduling.k8s.io", "priorityclasses", "PriorityClass", false),
	}
	services, nodes := schema.GroupVersionResource{Version: "v1", Resource: "services"}, schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	web := store.Ref{Resource: services, Namespace: "shop", Name: "web"}
	for _, tt := range []struct {
		name    string
		options Options
		want    []string
	}{
		{"a Service", Options{Profile: Standard, Subjects: []store.Ref{web}}, []string{
			"events in kube-system", "events in shop", "leases.coordination.k8s.io in kube-node-lease", "leases.coordination.k8s.io in kube-system", "namespaces", "nodes",
			"pods in kube-system", "pods in shop", "secrets in shop", "services",
		}},
		{"for somebody who may not read the cluster", Options{Profile: Standard, Subjects: []store.Ref{web}, Confined: true}, []string{
			"events in kube-system", "events in shop", "leases.coordination.k8s.io in kube-node-lease", "leases.coordination.k8s.io in kube-system", "namespaces", "nodes",
			"pods in kube-system", "pods in shop", "secrets in shop", "services in kube-system", "services in shop",
		}},
		{"two namespaces", Options{Profile: Minimal, Subjects: []store.Ref{web, {Resource: services, Namespace: "kube-system", Name: "kube-dns"}}}, []string{
			"events in kube-system", "events in shop", "namespaces", "nodes", "pods in kube-system", "pods in shop", "services",
		}},
		{"a Node", Options{Profile: Standard, Subjects: []store.Ref{{Resource: nodes, Name: "a"}}}, []string{
			"events", "leases.coordination.k8s.io in kube-node-lease", "leases.coordination.k8s.io in kube-system", "namespaces", "nodes", "pods", "services",
		}},
		{"everything of a subject", Options{Profile: Full, Subjects: []store.Ref{web}}, []string{
			"events in kube-system", "events in shop", "leases.coordination.k8s.io in kube-node-lease", "leases.coordination.k8s.io in kube-system", "namespaces", "nodes",
			"pods in kube-system", "pods in shop", "priorityclasses.scheduling.k8s.io", "secrets in shop", "services",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			targets, err := tt.options.Targets(discovery)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, target := range targets {
				got = append(got, target.String())
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
		})
	}
}
