package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestFindPort(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	port := func(name string, number int32, p corev1.Protocol) []corev1.ContainerPort {
		return []corev1.ContainerPort{{Name: name, ContainerPort: number, Protocol: p}}
	}
	p := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{
			{Name: "migrate", Ports: port("migrate", 1, corev1.ProtocolTCP)},
			{Name: "proxy", RestartPolicy: &always, Ports: port("proxy", 2, corev1.ProtocolTCP)},
		},
		Containers: []corev1.Container{{Ports: port("dns", 53, corev1.ProtocolUDP)}, {Ports: port("http", 8080, corev1.ProtocolTCP)}},
	}}
	for _, c := range []struct {
		target intstr.IntOrString
		want   int32
		ok     bool
	}{
		{intstr.FromInt32(9090), 9090, true}, // undeclared numbers resolve
		{intstr.FromString("http"), 8080, true},
		{intstr.FromString("dns"), 0, false}, // another protocol
		{intstr.FromString("proxy"), 2, true},
		{intstr.FromString("migrate"), 0, false}, // ordinary init container
		{intstr.FromString("8080"), 0, false},    // a name of digits is a name
	} {
		got, ok := FindPort(p, &corev1.ServicePort{TargetPort: c.target, Protocol: corev1.ProtocolTCP})
		if got != c.want || ok != c.ok {
			t.Errorf("FindPort(%s) = %d, %t; want %d, %t", c.target.String(), got, ok, c.want, c.ok)
		}
	}
}

func TestRoute(t *testing.T) {
	ready := func(ip, node string, zones ...string) Backend {
		return Backend{IP: ip, Node: node, Ready: true, Serving: true, ZoneHints: zones}
	}
	ending := func(ip, node string) Backend { return Backend{IP: ip, Node: node, Serving: true, Terminating: true} }
	dead := Backend{IP: "9", Node: "n1"}
	for _, c := range []struct {
		name            string
		backends        []Backend
		policy          Policy
		cluster, local  []string
		inside, outside string
	}{
		{name: "nothing", inside: "REJECT", outside: "REJECT"},
		{name: "none ready", backends: []Backend{dead}, inside: "REJECT", outside: "REJECT"},
		{name: "ready before terminating", backends: []Backend{ready("1", "n1"), ending("2", "n1"), dead}, cluster: []string{"1"}, inside: "OK", outside: "OK"},
		{name: "only terminating", backends: []Backend{ending("2", "n2"), dead}, cluster: []string{"2"}, inside: "OK", outside: "OK"},
		{name: "internal local, elsewhere", backends: []Backend{ready("1", "n2")}, policy: Policy{InternalLocal: true}, inside: "DROP", outside: "REJECT"},
		{name: "internal local, terminating here", backends: []Backend{ready("1", "n2"), ending("2", "n1")}, policy: Policy{InternalLocal: true}, local: []string{"2"}, inside: "OK", outside: "REJECT"},
		{name: "external local, elsewhere", backends: []Backend{ready("1", "n2")}, policy: Policy{ExternalLocal: true, External: true}, cluster: []string{"1"}, inside: "OK", outside: "DROP"},
		{name: "zone hints", backends: []Backend{ready("1", "n1", "a"), ready("2", "n2", "b")}, cluster: []string{"1"}, inside: "OK", outside: "OK"},
		{name: "a hint is missing", backends: []Backend{ready("1", "n1", "a"), ready("2", "n2")}, cluster: []string{"1", "2"}, inside: "OK", outside: "OK"},
		{name: "no hint for here", backends: []Backend{ready("1", "n1", "b"), ready("2", "n2", "b")}, cluster: []string{"1", "2"}, inside: "OK", outside: "OK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Route(c.backends, c.policy, "n1", "a")
			inside, _ := r.Outcome(c.policy.InternalLocal)
			outside, _ := r.Outcome(c.policy.ExternalLocal)
			if !c.policy.usesCluster() {
				outside = "REJECT" // nothing enters from outside
			}
			if diff := cmp.Diff([]any{c.cluster, c.local, c.inside, c.outside}, []any{addressesOf(r.Cluster), addressesOf(r.Local), inside, outside}); diff != "" {
				t.Errorf("route (-want +got):\n%s", diff)
			}
		})
	}
}

func addressesOf(backends []Backend) []string {
	var ips []string
	for _, b := range backends {
		ips = append(ips, b.IP)
	}
	return ips
}

func TestBackends(t *testing.T) {
	name, other, zero, number, tcp := "http", "web", int32(0), int32(8080), corev1.ProtocolTCP
	yes := true
	slice := func(labels map[string]string, port discoveryv1.EndpointPort, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Labels: labels}, AddressType: discoveryv1.AddressTypeIPv4,
			Ports: []discoveryv1.EndpointPort{port}, Endpoints: endpoints,
		}
	}
	good := discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &tcp}
	one := discoveryv1.Endpoint{Addresses: []string{"10.0.0.1", "10.0.0.9"}}
	leaving := discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Terminating: &yes}}
	for _, c := range []struct {
		name   string
		slices []*discoveryv1.EndpointSlice
		want   []string
	}{
		{"first address only", []*discoveryv1.EndpointSlice{slice(nil, good, one)}, []string{"10.0.0.1"}},
		{"no address", []*discoveryv1.EndpointSlice{slice(nil, good, discoveryv1.Endpoint{})}, nil},
		{"headless", []*discoveryv1.EndpointSlice{slice(map[string]string{corev1.IsHeadlessService: ""}, good, one)}, nil},
		{"another port", []*discoveryv1.EndpointSlice{slice(nil, discoveryv1.EndpointPort{Name: &other, Port: &number, Protocol: &tcp}, one)}, nil},
		{"no port name", []*discoveryv1.EndpointSlice{slice(nil, discoveryv1.EndpointPort{Port: &number, Protocol: &tcp}, one)}, nil},
		{"port 0", []*discoveryv1.EndpointSlice{slice(nil, discoveryv1.EndpointPort{Name: &name, Port: &zero, Protocol: &tcp}, one)}, nil},
		{"the one that stays wins", []*discoveryv1.EndpointSlice{slice(nil, good, leaving), slice(nil, good, one)}, []string{"10.0.0.1"}},
	} {
		got := Backends(&corev1.ServicePort{Name: "http", Protocol: tcp}, corev1.IPv4Protocol, c.slices)
		if diff := cmp.Diff(c.want, addressesOf(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if len(got) == 1 && got[0].Terminating {
			t.Errorf("%s: the terminating one was taken", c.name)
		}
	}
}
