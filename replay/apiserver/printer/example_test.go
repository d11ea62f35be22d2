package printer_test

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/replay/apiserver/printer"
)

// The row of kubectl get configmaps.
func ExampleForResource() {
	p, _ := printer.ForResource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"})
	at := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	cells, err := p.Cells([]byte(`{"metadata":{"name":"web","creationTimestamp":"2026-11-23T13:55:00Z"},"data":{"a":"1","b":"2"}}`), at)
	fmt.Println(cells, err)
	// Output: [web 2 5m] <nil>
}
