package redact_test

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/redact"
)

// The values of a Secret never reach the recording.
func ExamplePolicy_Object() {
	p := redact.Standard(false)
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	kept, err := p.Object(nil, secrets, []byte(`{"kind":"Secret","metadata":{"name":"db"},"data":{"password":"aHVudGVyMg=="}}`))
	fmt.Println(strings.Contains(string(kept), "aHVudGVyMg"), strings.Contains(string(kept), `"name":"db"`), err)
	// Output: false true <nil>
}
