package recorder_test

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder"
)

func ExampleTarget_String() {
	pods := recorder.Target{Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespace: "shop"}
	fmt.Println(pods)
	// Output: pods in shop
}
