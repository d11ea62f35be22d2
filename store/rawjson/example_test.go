package rawjson_test

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/rawjson"
)

// Identify looks at the metadata only, and keeps what it found before an error.
func ExampleIdentify() {
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	id, err := rawjson.Identify(pods, []byte(`{"metadata":{"name":"web","uid":"u1","labels":{"app":"web"}},"spec":{`))
	fmt.Println(id.Name, id.UID, id.Labels, err)
	// Output: web u1 [{app web}] <nil>
}
