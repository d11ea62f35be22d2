package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/store"
)

// virtualServiceTo sends all requests to a subset of a host, or shares them out among
// subsets with weights, such as v1 90.
func virtualServiceTo(host string, subsets ...string) string {
	var routes []string
	for _, s := range subsets {
		name, weight, weighted := strings.Cut(s, " ")
		route := fmt.Sprintf("destination: {host: %s, subset: %s}", host, name)
		if weighted {
			route += ", weight: " + weight
		}
		routes = append(routes, "{"+route+"}")
	}
	return fmt.Sprintf("kind: VirtualService\nmetadata: {name: routes}\nspec: {hosts: [%s], http: [{route: [%s]}]}\n---\n", host, strings.Join(routes, ", "))
}

// destinationRuleOf defines subsets of a host, each as NAME: LABELS.
func destinationRuleOf(host string, subsets ...string) string {
	var list []string
	for _, s := range subsets {
		name, labels, _ := strings.Cut(s, ": ")
		list = append(list, fmt.Sprintf("{name: %s, labels: %s}", name, labels))
	}
	return fmt.Sprintf("kind: DestinationRule\nmetadata: {name: subsets}\nspec: {host: %s, subsets: [%s]}\n---\n", host, strings.Join(list, ", "))
}

// When a mesh has somewhere to send requests, or sends none, nothing is said.
func TestMeshSubsetsWithPods(t *testing.T) {
	defined := destinationRuleOf("web", "v1: {app: web}", "v2: {version: v2}")
	for name, then := range map[string]string{
		"the subset has Pods":                 virtualServiceTo("web", "v1") + defined,
		"another Service":                     virtualServiceTo("other", "v2") + destinationRuleOf("other", "v2: {version: v2}"),
		"the same name in another namespace":  virtualServiceTo("web.far.svc.cluster.local", "v2") + defined,
		"a name outside of the cluster":       virtualServiceTo("web.shop.example.com", "v2") + defined,
		"a destination of weight 0":           virtualServiceTo("web", "v1 100", "v2 0") + defined,
		"a subset that nobody is sent to":     defined,
		"the whole host":                      sub(virtualServiceTo("web", "v2"), ", subset: v2", ""),
		"a subset without labels is the host": virtualServiceTo("web", "v2") + destinationRuleOf("web", "v2: {}"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(time.Second, strings.ReplaceAll(baseline(), "$(created-1)", "$(0s)"))
			w.apply(20*time.Second, then)
			r := Diagnose(w.at(time.Minute), store.Ref{Resource: kindsByName["Service"].resource, Namespace: "shop", Name: "web"}, Options{})
			checkReport(t, r)
			if i := slices.IndexFunc(r.Risks, func(f Finding) bool { return f.ID == "mesh-subset-empty" }); i >= 0 {
				t.Error(r.Risks[i].Message)
			}
		})
	}
}

// It began with the write that sent requests there, or with the last Pod.
func TestMeshSubsetSince(t *testing.T) {
	rule := destinationRuleOf("web", "v1: {app: web}", "v2: {version: v2}")
	for _, tt := range []struct {
		name  string
		steps []string // twenty seconds apart, the first at 20s
		since time.Duration
	}{
		{"rule first", []string{rule, virtualServiceTo("web", "v1"), virtualServiceTo("web", "v2"), sub(virtualServiceTo("web", "v2"), "hosts: [web]", "hosts: [web, www]")}, 60 * time.Second},
		{"rule last", []string{destinationRuleOf("web", "v2: {app: web}"), virtualServiceTo("web", "v2"), rule}, 60 * time.Second},
		{"a weight", []string{rule, virtualServiceTo("web", "v1 100", "v2 0"), virtualServiceTo("web", "v1 90", "v2 10")}, 60 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(time.Second, strings.ReplaceAll(baseline(), "$(created-1)", "$(0s)"))
			for i, step := range tt.steps {
				w.apply(time.Duration(i+1)*20*time.Second, step)
			}
			r := Diagnose(w.at(2*time.Minute), store.Ref{Resource: kindsByName["Service"].resource, Namespace: "shop", Name: "web"}, Options{})
			i := slices.IndexFunc(r.Risks, func(f Finding) bool { return f.ID == "mesh-subset-empty" })
			if i < 0 {
				t.Fatal("nothing is said of it")
			}
			if got := r.Risks[i].Since.Sub(w.at(0).Instant()); got != tt.since {
				t.Errorf("since %s, want %s", got, tt.since)
			}
		})
	}
}
