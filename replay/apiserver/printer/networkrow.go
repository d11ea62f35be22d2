package printer

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func serviceCells(s *corev1.Service, at time.Time) []any {
	ip := none
	if len(s.Spec.ClusterIPs) > 0 {
		ip = s.Spec.ClusterIPs[0]
	}
	var ports []string
	for _, p := range s.Spec.Ports {
		port := strconv.Itoa(int(p.Port))
		if p.NodePort > 0 {
			port += fmt.Sprintf(":%d", p.NodePort)
		}
		ports = append(ports, port+"/"+string(p.Protocol))
	}
	return []any{
		s.Name, string(s.Spec.Type), ip, externalIP(s), or(strings.Join(ports, ","), none), age(s.CreationTimestamp, at),
		labels.FormatLabels(s.Spec.Selector),
	}
}

// externalIP is how a Service is reached from outside.
func externalIP(s *corev1.Service) string {
	fixed := strings.Join(s.Spec.ExternalIPs, ",")
	switch s.Spec.Type {
	case corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort:
		return or(fixed, none)
	case corev1.ServiceTypeExternalName:
		return s.Spec.ExternalName
	case corev1.ServiceTypeLoadBalancer:
		var addresses []string
		for _, i := range s.Status.LoadBalancer.Ingress {
			addresses = append(addresses, or(i.IP, i.Hostname))
		}
		given := balancer(addresses)
		if given != "" && fixed != "" {
			given += ","
		}
		return or(given+fixed, "<pending>")
	}
	return unknown
}

//lint:ignore SA1019 recorded clusters still have them
func endpointsCells(e *corev1.Endpoints, at time.Time) []any {
	var list []string
	for _, subset := range e.Subsets {
		if len(subset.Ports) == 0 { // of a headless Service without ports
			for _, a := range subset.Addresses {
				list = append(list, a.IP)
			}
		}
		for _, p := range subset.Ports {
			for _, a := range subset.Addresses {
				list = append(list, net.JoinHostPort(a.IP, strconv.Itoa(int(p.Port))))
			}
		}
	}
	shown := few(list, 3, ",", "")
	if len(e.Subsets) == 0 {
		shown = none
	}
	return []any{e.Name, shown, age(e.CreationTimestamp, at)}
}

func endpointSliceCells(s *discoveryv1.EndpointSlice, at time.Time) []any {
	var ports, addresses []string
	for _, p := range s.Ports {
		port := value(p.Name, "*")
		if p.Port != nil {
			port = strconv.Itoa(int(*p.Port))
		}
		ports = append(ports, port)
	}
	for _, e := range s.Endpoints {
		addresses = append(addresses, e.Addresses...)
	}
	return []any{
		s.Name, string(s.AddressType), or(few(ports, 3, ",", unset), unset), few(addresses, 3, ",", unset), age(s.CreationTimestamp, at),
	}
}

func ingressCells(i *networkingv1.Ingress, at time.Time) []any {
	var addresses []string
	for _, l := range i.Status.LoadBalancer.Ingress {
		addresses = append(addresses, or(l.IP, l.Hostname))
	}
	ports := "80"
	if len(i.Spec.TLS) > 0 {
		ports = "80, 443"
	}
	return []any{i.Name, value(i.Spec.IngressClassName, none), ingressHosts(i.Spec.Rules), balancer(addresses), ports, age(i.CreationTimestamp, at)}
}

// ingressHosts shows the first hosts. How many more there are is counted in
// rules, with or without a host.
func ingressHosts(rules []networkingv1.IngressRule) string {
	const most = 3
	var hosts []string
	for _, r := range rules {
		if len(hosts) == most {
			return fmt.Sprintf("%s + %d more...", strings.Join(hosts, ","), len(rules)-most)
		}
		if r.Host != "" {
			hosts = append(hosts, r.Host)
		}
	}
	return or(strings.Join(hosts, ","), "*")
}

func ingressClassCells(c *networkingv1.IngressClass, at time.Time) []any {
	name, parameters := c.Name, none
	if c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
		name += " (default)"
	}
	if p := c.Spec.Parameters; p != nil {
		parameters = p.Kind
		if p.APIGroup != nil {
			parameters += "." + *p.APIGroup
		}
		parameters += "/" + p.Name
	}
	return []any{name, c.Spec.Controller, parameters, age(c.CreationTimestamp, at)}
}

func networkPolicyCells(p *networkingv1.NetworkPolicy, at time.Time) []any {
	return []any{p.Name, metav1.FormatLabelSelector(&p.Spec.PodSelector), age(p.CreationTimestamp, at)}
}

func serviceCIDRCells(c *networkingv1.ServiceCIDR, at time.Time) []any {
	return []any{c.Name, strings.Join(c.Spec.CIDRs, ","), age(c.CreationTimestamp, at)}
}

// ipAddressCells has an age for which the API server has no column.
func ipAddressCells(a *networkingv1.IPAddress, at time.Time) []any {
	parent := none
	if p := a.Spec.ParentRef; p != nil {
		parent = strings.ToLower(schema.GroupResource{Group: p.Group, Resource: p.Resource}.String())
		if p.Namespace != "" {
			parent += "/" + p.Namespace
		}
		parent += "/" + p.Name
	}
	return []any{a.Name, parent, age(a.CreationTimestamp, at)}
}
