package replay

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

var discovery = []metav1.APIResource{
	{Version: "v1", Name: "nodes", SingularName: "node", ShortNames: []string{"no"}, Kind: "Node"},
	{Version: "v1", Name: "pods", SingularName: "pod", ShortNames: []string{"po"}, Kind: "Pod", Namespaced: true},
	{Version: "v1", Name: "services", SingularName: "service", ShortNames: []string{"svc"}, Kind: "Service", Namespaced: true},
	{Group: "apps", Version: "v1", Name: "deployments", SingularName: "deployment", ShortNames: []string{"deploy"}, Kind: "Deployment", Namespaced: true},
}

func TestParseSubject(t *testing.T) {
	svc := store.Ref{Resource: Services, Namespace: "shop", Name: "web"}
	tests := []struct {
		words     []string
		namespace string
		want      store.Ref
		problem   string
	}{
		{words: []string{"svc/web"}, namespace: "shop", want: svc},
		{words: []string{"Service/web"}, namespace: "shop", want: svc},
		{words: []string{"SERVICES", "web"}, namespace: "shop", want: svc},
		{words: []string{"service", "shop/web"}, want: svc},
		{words: []string{"service", "shop/web"}, namespace: "shop", want: svc},
		{words: []string{"no/n1"}, namespace: "shop", want: store.Ref{Resource: schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, Name: "n1"}},
		{words: []string{"deployments.apps/web"}, namespace: "shop", want: store.Ref{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, Namespace: "shop", Name: "web"}},
		{words: []string{"service", "other/web"}, namespace: "shop", problem: `two namespaces for one subject: "other" and "shop"`},
		{words: []string{"svcs/web"}, problem: `the cluster has no resource type "svcs"`},
		{words: []string{"web"}, problem: `"web" does not name a subject`},
		{words: []string{"svc/"}, problem: `"svc/" does not name a subject`},
		{words: []string{"svc/shop/web"}, want: svc},
		{words: []string{"a/b/c"}, problem: `the cluster has no resource type "a"`},
		{words: []string{"a/b/c/d"}, problem: `"a/b/c/d" does not name a subject`},
		{words: []string{"deployments.batch/web"}, problem: `the cluster has no resource type "deployments.batch"`},
	}
	for _, tt := range tests {
		got, err := ParseSubject(tt.words, tt.namespace, discovery)
		if tt.problem != "" {
			var e *SubjectError
			if !errors.As(err, &e) || e.Problem != tt.problem || !e.Usage {
				t.Errorf("ParseSubject(%q) = %v, %v; want usage error %q", tt.words, got, err, tt.problem)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("ParseSubject(%q): %v (-want +got):\n%s", tt.words, err, diff)
		}
	}
	if _, err := FindResource("servcie", discovery); err == nil || err.(*SubjectError).Hint != "did you mean service?" {
		t.Errorf("near miss: %v", err)
	}
}

func TestLocate(t *testing.T) {
	s := newStory(t)
	s.say(watch.Added, "one", "a", 1)
	first := s.say(watch.Added, "one", "both", 2)
	s.say(watch.Deleted, "one", "a", 3)
	last := s.say(watch.Added, "two", "both", 4)
	tests := []struct {
		name  string
		at    store.Seq
		want  string
		known bool
		fails bool
	}{
		{name: "both", at: first, want: "one", known: true}, // unambiguous at that instant
		{name: "both", at: last, fails: true},
		{name: "a", at: last, want: "one", known: true}, // gone by then, but only ever there
		{name: "nobody", at: last},
	}
	for _, tt := range tests {
		ref, known, err := Locate(s.m, store.Ref{Resource: pods, Name: tt.name}, true, tt.at)
		if (err != nil) != tt.fails || known != tt.known || !tt.fails && ref.Namespace != tt.want {
			t.Errorf("Locate(%s at #%d) = %q, %v, %v; want %q, %v", tt.name, tt.at, ref.Namespace, known, err, tt.want, tt.known)
		}
	}
}
