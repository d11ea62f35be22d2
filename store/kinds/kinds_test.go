package kinds

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestTable: every row is complete, and no kind or resource has two.
func TestTable(t *testing.T) {
	names, resources := map[string]bool{}, map[schema.GroupResource]bool{}
	for _, k := range All {
		if k.Name == "" || k.Plural == "" || k.Resource.Version == "" || k.Resource.Resource == "" {
			t.Errorf("%+v: incomplete", k)
		}
		if names[k.Name] || resources[k.Resource.GroupResource()] {
			t.Errorf("%s is there twice", k.Name)
		}
		names[k.Name], resources[k.Resource.GroupResource()] = true, true
		if k.Closure.Has(Referred) != (k.Closure != 0 && k.Cluster) {
			t.Errorf("%s: what lies in no namespace is Referred or nothing", k.Name)
		}
	}
}

// What profile minimal records of a cluster's own group.
func Example() {
	for _, k := range All {
		if k.Profile == Minimal && k.Resource.Group == "" {
			fmt.Println(k.Name, k.Cluster)
		}
	}
	// Unordered output:
	// Service false
	// Pod false
	// Node true
	// Namespace true
	// Event false
}
