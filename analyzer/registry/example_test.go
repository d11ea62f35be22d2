package registry_test

import (
	"fmt"

	"github.com/svcspy/svcspy/analyzer/registry"
)

// All that is known of a diagnosis stands in its declaration.
func Example() {
	d := registry.Lookup("selector-edited")
	fmt.Println(d.Severity, d.Steps, d.Rule)
	// Output: outage C1 service.selectorEdited
}
