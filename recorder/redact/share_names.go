package redact

import (
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// pseudonyms gives things other names, the same one wherever they stand. They
// are numbered in the order in which they are first met.
type pseudonyms struct {
	gateA      *Policy
	nodes      map[string]string
	labels     map[string]string // of host names
	hosts      map[string]bool   // that were seen where host names stand
	registries map[string]string // with and without port
	pods       map[string]string // static ones, which have the name of their node
	secrets    map[string]bool
	namespaces map[string]bool
	known      map[string]bool // names that stay, and may stand in messages
	addresses  map[netip.Addr]netip.Addr
}

func newPseudonyms(gateA *Policy) *pseudonyms {
	return &pseudonyms{
		gateA: gateA, nodes: map[string]string{}, labels: map[string]string{}, hosts: map[string]bool{}, registries: map[string]string{},
		pods: map[string]string{}, secrets: map[string]bool{}, namespaces: map[string]bool{}, known: map[string]bool{},
		addresses: map[netip.Addr]netip.Addr{},
	}
}

// node returns what stands for a Node: node-a, node-b, ..., node-z, node-aa.
func (p *pseudonyms) node(name string) string {
	if name == "" || isToken([]byte(name)) {
		return name
	}
	known, ok := p.nodes[name]
	if !ok {
		known = "node-" + letters(len(p.nodes))
		p.nodes[name] = known
	}
	return known
}

func letters(n int) string {
	text := ""
	for n++; n > 0; n = (n - 1) / 26 {
		text = string(rune('a'+(n-1)%26)) + text
	}
	return text
}

// nodeIn replaces Nodes that a text names, as in "kubelet, n1" or "n1_7c0e".
func (p *pseudonyms) nodeIn(text string) string {
	if known, ok := p.nodes[text]; ok {
		return known
	}
	var out strings.Builder
	rest := text
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '-' && r != '.' && (r >= 0x80 || !isAlnum(byte(r))) })
		if n < 0 {
			n = len(rest)
		}
		word := rest[:n]
		if known, ok := p.nodes[word]; ok {
			word = known
		}
		out.WriteString(word)
		if rest = rest[n:]; rest != "" {
			out.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	return out.String()
}

// secret returns the token for the name of a Secret.
func (p *pseudonyms) secret(name string) string {
	if name == "" || isToken([]byte(name)) {
		return name
	}
	return string(p.gateA.token([]byte(name)))
}

// pod returns the name of a Pod, which says where it runs if that is static.
func (p *pseudonyms) pod(name string) string {
	if known, ok := p.pods[name]; ok {
		return known
	}
	return name
}

// object returns the name of an object.
func (p *pseudonyms) object(resource schema.GroupResource, namespace, name string) string {
	switch resource.Resource {
	case "nodes", "csinodes":
		return p.node(name)
	case "leases":
		if namespace == "kube-node-lease" {
			return p.node(name)
		}
	case "secrets":
		return p.secret(name)
	case "pods":
		return p.pod(name)
	case "events": // what they are about, a dot, and when
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			about := name[:dot]
			if known, ok := p.nodes[about]; ok {
				about = known
			} else if p.secrets[about] {
				about = p.secret(about)
			}
			return p.pod(about) + name[dot:]
		}
	}
	return name
}

// nodeOrHost returns what stands for a host name, which may be that of a Node.
func (p *pseudonyms) nodeOrHost(name string) string {
	if known, ok := p.nodes[name]; ok {
		return known
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return p.address(a).String()
	}
	if !strings.Contains(strings.TrimSuffix(name, "."), ".") || p.internal(name) {
		return name
	}
	return p.host(name)
}

// host replaces each label of a host name, so that what lies in a domain, or is
// meant by a wildcard, still does.
func (p *pseudonyms) host(name string) string {
	name, root := strings.CutSuffix(name, ".")
	labels := strings.Split(name, ".")
	for i, label := range labels {
		if label == "*" || label == "" {
			continue
		}
		known, ok := p.labels[label]
		if !ok {
			known = fmt.Sprintf("h%d", len(p.labels)+1)
			p.labels[label] = known
		}
		labels[i] = known
	}
	name = strings.Join(labels, ".") + ".example"
	if root {
		name += "."
	}
	return name
}

// internal reports whether a host name is one of the cluster: of a Service.
func (p *pseudonyms) internal(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if strings.HasSuffix(name, ".svc") || strings.HasSuffix(name, ".cluster.local") {
		return true
	}
	labels := strings.Split(name, ".")
	return len(labels) == 2 && p.namespaces[labels[1]]
}

// publicRegistries are everybody's.
var publicRegistries = map[string]bool{
	"docker.io": true, "index.docker.io": true, "registry.k8s.io": true, "k8s.gcr.io": true, "gcr.io": true, "quay.io": true,
	"ghcr.io": true, "mcr.microsoft.com": true, "public.ecr.aws": true, "localhost": true,
}

// registryOf returns the host of the registry in the name of an image, with and
// without its port; "" if it is a public one or none is named.
func registryOf(image string) (before, registry, host string) {
	if _, rest, ok := strings.Cut(image, "://"); ok {
		before = image[:len(image)-len(rest)]
		image = rest
	}
	registry, _, slash := strings.Cut(image, "/")
	if host, _, _ = strings.Cut(registry, ":"); !slash || !strings.ContainsAny(registry, ".:") || publicRegistries[host] {
		return before, "", ""
	}
	return before, registry, host
}

// image replaces the registry in the name of an image.
func (p *pseudonyms) image(image string) string {
	before, registry, host := registryOf(image)
	if registry == "" {
		return image
	}
	return before + p.registry(host) + image[len(before)+len(host):]
}

func (p *pseudonyms) registry(host string) string {
	known, ok := p.registries[host]
	if !ok {
		known = fmt.Sprintf("registry-%d.example", len(p.registries)+1)
		p.registries[host] = known
	}
	return known
}
