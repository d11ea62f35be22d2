package kube

import (
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	endpointslice "k8s.io/endpointslice/util"
)

// Terminal: the Pod has finished and is never an endpoint again.
func Terminal(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// Terminating: deletion was asked for; the Pod may go on serving for a while.
func Terminating(p *corev1.Pod) bool { return p.DeletionTimestamp != nil }

// Listable: the EndpointSlice controller lists the Pod, ready or not.
func Listable(p *corev1.Pod) bool { return endpointslice.ShouldPodBeInEndpoints(p, true) }

func Ready(p *corev1.Pod) bool { return endpointslice.IsPodReady(p) }

// DeletionAskedAt is when deletion was asked for: deletionTimestamp is the
// deadline, that moment plus the grace period.
func DeletionAskedAt(p *corev1.Pod) time.Time {
	t := p.DeletionTimestamp.Time
	if g := p.DeletionGracePeriodSeconds; g != nil {
		t = t.Add(-time.Duration(*g) * time.Second)
	}
	return t
}

// PodCondition returns the condition, nil if it was never set.
func PodCondition(p *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == t {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

func PodConditionIs(p *corev1.Pod, t corev1.PodConditionType, s corev1.ConditionStatus) bool {
	c := PodCondition(p, t)
	return c != nil && c.Status == s
}

// PodIPs returns the Pod's addresses of one family, as the API server would
// print them.
func PodIPs(p *corev1.Pod, family corev1.IPFamily) []string {
	var ips []string
	for _, ip := range p.Status.PodIPs {
		if c, f := CanonicalIP(ip.IP); f == family {
			ips = append(ips, c)
		}
	}
	return ips
}

// CanonicalIP returns the usual spelling of an IP address and its family, ""
// if it is none. Kubernetes still accepts IPv4 octets with leading zeros
// (k8s.io/utils/net.ParseIPSloppy), so they are taken as decimal here too.
func CanonicalIP(s string) (string, corev1.IPFamily) {
	ip := net.ParseIP(s)
	if ip == nil && strings.Contains(s, ".") {
		octets := strings.Split(s, ".")
		for i, o := range octets {
			n, err := strconv.ParseUint(o, 10, 8)
			if err != nil {
				return s, ""
			}
			octets[i] = strconv.FormatUint(n, 10)
		}
		ip = net.ParseIP(strings.Join(octets, "."))
	}
	switch {
	case ip == nil:
		return s, ""
	case ip.To4() != nil:
		return ip.String(), corev1.IPv4Protocol
	}
	return ip.String(), corev1.IPv6Protocol
}
