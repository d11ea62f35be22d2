package object_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/object"
	"github.com/svcspy/svcspy/store"
)

func ExampleAs() {
	o := object.New(store.Event{Object: []byte(`{"metadata":{"name":"web"},"spec":{"nodeName":"n1"}}`)})
	pod := object.As[corev1.Pod](o)
	fmt.Println(pod.Name, pod.Spec.NodeName, o.Err())
	// Output: web n1 <nil>
}
