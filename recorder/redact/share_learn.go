package redact

import (
	"strings"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// Learn takes note of the names in an event: which of them are those of Nodes,
// hosts, registries and Secrets, and which stay and may stand in messages.
func (s *Share) Learn(e *store.Event) {
	p := s.names
	if e.Namespace != "" {
		p.namespaces[e.Namespace] = true
	}
	if !e.IsObject() {
		return
	}
	switch e.Resource.Resource {
	case "nodes":
		p.node(e.Name)
	case "secrets":
		p.secrets[e.Name] = true
	case "namespaces":
		p.namespaces[e.Name] = true
	case "events":
	default:
		p.know(e.Name)
	}
	l := learning{p: p, c: rawjson.Cursor{Text: e.Object}, abouts: lookThrough(e.Object), custom: !builtIn[e.Resource.Group] && e.Resource.Group != gatewayGroup}
	l.value(nil, nil)
	if l.static && l.node != "" && e.Resource.Resource == "pods" {
		if own, is := strings.CutSuffix(e.Name, "-"+l.node); is {
			p.pods[e.Name] = own + "-" + p.node(l.node)
		}
	}
}

func (p *pseudonyms) know(name string) {
	if name != "" && len(name) <= 253 {
		p.known[name] = true
	}
}

// learning is the way through one object.
type learning struct {
	p      *pseudonyms
	c      rawjson.Cursor
	abouts abouts
	custom bool
	path   []string
	static bool   // it is owned by a Node
	node   string // where it runs
}

// silent are members that hold no names, or only what people wrote.
var silent = map[string]bool{
	"managedFields": true, "annotations": true, "env": true, "args": true, "command": true, "data": true, "binaryData": true,
	"stringData": true, "message": true, "note": true,
}

func (l *learning) value(at *about, key []byte) {
	switch l.c.Peek() {
	case '{':
		l.object()
	case '[':
		for l.c.Enter('['); l.c.More(']'); {
			l.value(at, key)
		}
	case '"':
		l.leaf(at, string(key), l.c.String())
	default:
		l.c.Skip()
	}
}

func (l *learning) object() {
	at := l.abouts.of(&l.c)
	for l.c.Enter('{'); l.c.More('}'); {
		key := l.c.Key()
		if silent[string(key)] || l.custom && len(l.path) == 0 && string(key) != "metadata" && string(key) != "kind" {
			l.c.Skip()
			continue
		}
		l.path = append(l.path, string(key))
		l.value(at, key)
		l.path = l.path[:len(l.path)-1]
	}
}

func (l *learning) leaf(at *about, key, value string) {
	if at == nil {
		at = &about{}
	}
	p := l.p
	parent := ""
	if n := len(l.path); n > 1 {
		parent = l.path[n-2]
	}
	switch parent {
	case "labels", "matchLabels", "selector", "nodeSelector":
		for part := range strings.SplitSeq(key, "/") {
			p.know(part)
		}
		if key != "kubernetes.io/hostname" {
			p.know(value)
		}
		return
	}
	switch key {
	case "name":
		switch {
		case at.kind == "Node":
			if parent == "ownerReferences" {
				l.static = true
			}
			p.node(value)
		case at.kind == "Secret" || secretRef(parent):
			p.secrets[value] = true
		case len(l.path) > 2 || parent != "metadata": // the object's own name is known by what it is
			p.know(value)
		}
	case "nodeName", "nominatedNodeName":
		l.node = value
		p.node(value)
	case "secretName":
		p.secrets[value] = true
	case "address":
		if at.kindOf == "Hostname" || at.kindOf == "InternalDNS" || at.kindOf == "ExternalDNS" {
			p.hosts[value] = true
		}
	case "host", "hosts", "hostname", "hostnames", "externalName":
		if strings.Contains(value, ".") {
			p.hosts[value] = true
		}
	case "image", "imageID":
		l.image(value)
	case "namespace":
		p.namespaces[value] = true
	case "kind", "reason", "type", "key", "effect", "value", "phase":
		p.know(value)
	default:
		if strings.HasSuffix(key, "Name") {
			p.know(value)
		}
	}
}

// image knows the parts of an image's name, but for its registry.
func (l *learning) image(image string) {
	before, registry, host := registryOf(image)
	rest := image[len(before):]
	if registry != "" {
		l.p.registry(host)
		rest = strings.TrimPrefix(rest, registry)
	}
	for part := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == '/' || r == ':' || r == '@' }) {
		l.p.know(part)
	}
}
