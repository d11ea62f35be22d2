package kube_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/analyzer/kube"
)

func ExampleFindPort() {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}}}}}
	for _, target := range []string{"http", "htttp"} {
		fmt.Println(kube.FindPort(pod, &corev1.ServicePort{TargetPort: intstr.FromString(target), Protocol: corev1.ProtocolTCP}))
	}
	// Output:
	// 8080 true
	// 0 false
}

func ExampleRoute() {
	backends := []kube.Backend{{IP: "10.0.0.1", Node: "n1", Serving: true, Terminating: true}, {IP: "10.0.0.2", Node: "n2"}}
	routes := kube.Route(backends, kube.Policy{InternalLocal: true}, "n2", "")
	result, _ := routes.Outcome(true)
	fmt.Println(result, routes.HasAny)
	// Output: DROP true
}
