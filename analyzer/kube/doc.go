// Package kube is the rules of the control plane and of kube-proxy, written anew:
// which Pods a Service selects and lists ([Expected]), which port a name means
// ([FindPort]), what kube-proxy makes of EndpointSlices ([Backends], [Route]),
// and whom NetworkPolicies admit ([Admits], [Opens]).
//
// Every function is pure. An oracle in a module of its own holds them to the
// originals. Comments name the sources: K/ is the module k8s.io/kubernetes.
package kube
