package analyzer

import (
	"testing"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"unschedulable, 1.36", mainObstacle(noPreemption("0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found.")), "Insufficient cpu"},
		{"unschedulable, older", mainObstacle("0/2 nodes are available: 2 node(s) had untolerated taint {a: b}."), "had untolerated taint"},
		{"unschedulable, no node", mainObstacle("no nodes available to schedule pods"), "no nodes available to schedule pods"},
		{"probe, status", probeClass("HTTP probe failed with statuscode: 404"), "HTTP 404"},
		{"probe, refused", probeClass("Get \"http://10.0.0.1:80/\": dial tcp 10.0.0.1:80: connect: connection refused"), "connection refused"},
		{"probe, slow", probeClass("context deadline exceeded (Client.Timeout exceeded while awaiting headers)"), "timeout"},
		{"cut between words", phrase.FirstWords("one two three four", 12), "one two..."},
		{"cut inside a character", phrase.FirstWords("ééé", 3), "é..."},
		{"one line", phrase.FirstWords("one\ntwo", 80), "one..."},
		{"sloppy IPv4", func() string { ip, _ := kube.CanonicalIP("010.000.0.1"); return ip }(), "10.0.0.1"},
		{"mapped IPv4", func() string { _, f := kube.CanonicalIP("::ffff:10.0.0.1"); return string(f) }(), "IPv4"},
		{"no address", func() string { _, f := kube.CanonicalIP("10.0.0.256"); return string(f) }(), ""},
		{"many", phrase.Enumerate([]string{"a", "b", "c"}, 2), "a, b and 1 more"},
		{"plural", phrase.Quantity(2, "NetworkPolicy"), "2 NetworkPolicies"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestOddPair(t *testing.T) {
	for _, c := range []struct {
		selector, labels map[string]string
		want, have       string
	}{
		{map[string]string{"app": "ngnix"}, map[string]string{"app": "nginx"}, "app=ngnix", "app=nginx"},
		{map[string]string{"app": "web"}, map[string]string{"app": "database"}, "", ""},
		{map[string]string{"app": "web", "tier": "back"}, map[string]string{"app": "web", "tier": "front"}, "tier=back", "tier=front"},
		{map[string]string{"app": "web", "tier": "back"}, map[string]string{"app": "web"}, "", ""},
		{map[string]string{"app": "web"}, map[string]string{"app.kubernetes.io/name": "web"}, "app=web", "app.kubernetes.io/name=web"},
		{map[string]string{"app": "web"}, map[string]string{"app": "web"}, "", ""},
	} {
		want, have, _ := oddPair(c.selector, c.labels)
		if want != c.want || have != c.have {
			t.Errorf("oddPair(%v, %v) = %q, %q; want %q, %q", c.selector, c.labels, want, have, c.want, c.have)
		}
	}
}
