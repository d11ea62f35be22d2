package recorder

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/store"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

func TestKinds(t *testing.T) {
	listOnly := kind("", "componentstatuses", "ComponentStatus", false)
	listOnly.Verbs = metav1.Verbs{"get", "list"}
	discovery := []metav1.APIResource{
		kind("", "events", "Event", true), kind("", "pods", "Pod", true), kind("", "pods/log", "Pod", true), kind("", "secrets", "Secret", true), listOnly,
		kind("apps", "deployments", "Deployment", true), kind("certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", false),
		kind("coordination.k8s.io", "leases", "Lease", true), kind("events.k8s.io", "events", "Event", true), kind("example.com", "widgets", "Widget", true),
		kind("gateway.networking.k8s.io", "httproutes", "HTTPRoute", true),
	}
	for _, tt := range []struct {
		name, profile string
		only, want    []string
	}{
		{"minimal", Minimal, nil, []string{"events.", "pods.", "deployments.apps"}},
		{"standard", Standard, nil, []string{"events.", "pods.", "secrets.", "deployments.apps", "leases.coordination.k8s.io", "httproutes.gateway.networking.k8s.io"}},
		{"full", Full, nil, []string{"events.", "pods.", "secrets.", "deployments.apps", "leases.coordination.k8s.io", "widgets.example.com", "httproutes.gateway.networking.k8s.io"}},
		{"restricted", Standard, []string{"pods", "deployments.apps", "widgets.example.com"}, []string{"pods.", "deployments.apps"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kinds, err := Kinds(tt.profile, discovery, tt.only)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range kinds {
				got = append(got, k.Name+"."+k.Group)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScopes(t *testing.T) {
	for _, tt := range []struct {
		resource   metav1.APIResource
		namespaces []string
		want       []string
	}{
		{kind("", "pods", "Pod", true), nil, []string{"/api/v1/pods"}},
		{kind("apps", "deployments", "Deployment", true), []string{"a", "b"}, []string{"/apis/apps/v1/namespaces/a/deployments", "/apis/apps/v1/namespaces/b/deployments"}},
		{kind("", "nodes", "Node", false), []string{"a"}, []string{"/api/v1/nodes"}},
		{kind("coordination.k8s.io", "leases", "Lease", true), nil, []string{"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"}},
		{kind("coordination.k8s.io", "leases", "Lease", true), []string{"a"}, []string{"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"}},
	} {
		var got []string
		for _, s := range (&Options{Namespaces: tt.namespaces}).scopes(tt.resource) {
			got = append(got, s.path())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("scopes of %s in %v (-want +got):\n%s", tt.resource.Name, tt.namespaces, diff)
		}
	}
}

func TestRules(t *testing.T) {
	for _, tt := range []struct {
		golden  string
		options Options
	}{
		{"testdata/rules-minimal.yaml", Options{Profile: Minimal}},
		{"testdata/rules-standard-shop.yaml", Options{Profile: Standard, Namespaces: []string{"shop"}}},
		{"testdata/rules-full.yaml", Options{Profile: Full}},
		{"testdata/rules-full-shop.yaml", Options{Profile: Full, Namespaces: []string{"shop"}}},
		{"testdata/rules-subject.yaml", Options{Profile: Minimal, Subjects: []store.Ref{{Resource: schema.GroupVersionResource{Version: "v1", Resource: "services"}, Namespace: "shop", Name: "web"}}}},
	} {
		objects, err := Rules(tt.options)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, o := range objects {
			text, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			got = append(append(got, "---\n"...), text...)
		}
		if *update {
			if err := os.WriteFile(tt.golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(tt.golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got; go test ./recorder -update rewrites it):\n%s", tt.golden, diff)
		}
	}
	if _, err := Rules(Options{Profile: "huge"}); err == nil {
		t.Error("Rules of an unknown profile: no error")
	}
}
