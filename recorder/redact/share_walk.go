package redact

import (
	"bytes"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/rawjson"
)

// shareWalk is gate B's way through one object that went through gate A.
type shareWalk struct {
	s         *Share
	c         rawjson.Cursor
	abouts    abouts // nil unless strict
	out       []byte
	copied    int // bytes of c.Text that are in out
	resource  schema.GroupResource
	namespace string
	conceal   bool     // a custom resource that is concealed
	path      [][]byte // names of the members that lead here
}

// gatewayGroup is read by the analyzer, so it is treated as built in.
const gatewayGroup = "gateway.networking.k8s.io"

func newShareWalk(s *Share, resource schema.GroupResource, text []byte) *shareWalk {
	w := &shareWalk{
		s: s, c: rawjson.Cursor{Text: text}, resource: resource,
		conceal: s.strict && !builtIn[resource.Group] && resource.Group != gatewayGroup,
	}
	if s.strict {
		w.abouts = lookThrough(text)
	}
	return w
}

func (w *shareWalk) replace(r shareRule, start int, with []byte) {
	if w.c.Err() != nil {
		return
	}
	w.out = append(w.out, w.c.Text[w.copied:start]...)
	w.out = append(w.out, with...)
	w.copied = w.c.At
	w.s.counts[r]++
}

// about is what an object says that tells what its other members mean.
type about struct{ kind, kindOf, key string }

func (w *shareWalk) value(at *about) {
	switch w.c.Peek() {
	case '{':
		w.object()
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			w.value(at)
		}
	case '"':
		w.leaf(at)
	default:
		w.c.Skip()
	}
}

// abouts are the abouts of all objects in a text, by where each begins. They
// are read in one pass: to read ahead at each object takes as long as the text
// is, times how deep it is nested.
type abouts map[int]*about

func lookThrough(text []byte) abouts {
	a := abouts{}
	a.value(&rawjson.Cursor{Text: text})
	return a
}

func (a abouts) value(c *rawjson.Cursor) {
	switch c.Peek() {
	case '{':
		a.object(c)
	case '[':
		for c.Enter('['); c.More(']'); {
			a.value(c)
		}
	default:
		c.Skip()
	}
}

func (a abouts) object(c *rawjson.Cursor) {
	start, at := c.At, about{}
	for c.Enter('{'); c.More('}'); {
		key := c.Key()
		if c.Peek() != '"' {
			a.value(c)
			continue
		}
		switch string(key) {
		case "kind":
			at.kind = c.String()
		case "type":
			at.kindOf = c.String()
		case "key":
			at.key = c.String()
		default:
			c.Skip()
		}
	}
	if at != (about{}) {
		a[start] = &at
	}
}

// of returns what the object at the cursor says.
func (a abouts) of(c *rawjson.Cursor) *about {
	c.Peek()
	if at := a[c.At]; at != nil {
		return at
	}
	return &about{}
}

func (w *shareWalk) object() {
	at := w.abouts.of(&w.c)
	for w.c.Enter('{'); w.c.More('}'); {
		w.c.Peek()
		start := w.c.At
		key := w.c.Key()
		w.path = append(w.path, key)
		w.member(start, key, at)
		w.path = w.path[:len(w.path)-1]
	}
}

// member walks the value of a member, whose name began at start.
func (w *shareWalk) member(start int, key []byte, at *about) {
	strict := w.s.strict
	switch string(key) {
	case "managedFields":
		from := w.skip()
		if strict && string(w.c.Text[from:w.c.At]) != "[]" {
			w.replace(shareManaged, from, []byte("[]"))
		}
		return
	case "annotations":
		w.annotations()
		return
	case "env":
		w.each(func() { w.pair(shareEnv) })
		return
	case "httpHeaders":
		if strict {
			w.each(func() { w.pair(shareHeader) })
			return
		}
	case "args", "command":
		w.each(w.argument)
		return
	case "message", "note":
		if w.c.Peek() == '"' {
			w.edit(shareWord, w.s.prose)
			return
		}
	case "providerID", "volumeHandle", "volumeID", "diskURI", "pdName":
		if w.c.Peek() == '"' {
			w.token(shareAccount)
			return
		}
	}
	if w.conceal && !w.shown() {
		w.concealAll()
		return
	}
	if strict && len(w.path) > 1 && w.resource.String() == "configmaps" && len(w.path) == 2 && (string(w.path[0]) == "data" || string(w.path[0]) == "binaryData") {
		w.rename(start, key)
	}
	w.value(at)
}

// rename puts a token in the place of a member's name, which began at start and
// has just been consumed with its colon.
func (w *shareWalk) rename(start int, key []byte) {
	if !isToken(key) {
		w.replace(shareConfigKey, start, append(rawjson.Quote(nil, w.s.gateA.token(key)), ':'))
	}
}

// shown reports whether a member of a custom resource is not concealed.
func (w *shareWalk) shown() bool {
	switch string(w.path[0]) {
	case "metadata", "kind", "apiVersion":
		return true
	case "status":
		return len(w.path) == 1 || string(w.path[1]) == "conditions"
	}
	return len(w.path) == 1 && w.c.Peek() == '{'
}

func (w *shareWalk) concealAll() {
	switch w.c.Peek() {
	case '{':
		for w.c.Enter('{'); w.c.More('}'); {
			w.c.Key()
			w.concealAll()
		}
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			w.concealAll()
		}
	case '"':
		w.token(shareCustom)
	default:
		// A number that is larger than a port may be a PIN.
		if start := w.skip(); largeNumber(w.c.Text[start:w.c.At]) {
			w.replace(shareCustom, start, rawjson.Quote(nil, w.s.gateA.token(w.c.Text[start:w.c.At])))
		}
	}
}

// largeNumber reports whether a value is a whole number of five digits or more
// that is no port.
func largeNumber(v []byte) bool {
	n := len(bytes.Trim(v, "0123456789"))
	return n == 0 && (len(v) > 5 || len(v) == 5 && string(v) > "65535")
}

// skip consumes a value and returns where it began.
func (w *shareWalk) skip() int {
	w.c.Peek()
	start := w.c.At
	w.c.Skip()
	return start
}

// string consumes a string and returns where it began and what it says.
func (w *shareWalk) string() (start int, text []byte) {
	w.c.Peek()
	start = w.c.At
	quoted, escaped := w.c.Quoted()
	switch {
	case w.c.Err() != nil:
		return start, nil
	case escaped:
		return start, rawjson.Unquote(nil, quoted)
	}
	return start, quoted[1 : len(quoted)-1]
}

// edit consumes a string and replaces it by what f makes of it.
func (w *shareWalk) edit(r shareRule, f func([]byte) []byte) {
	start, text := w.string()
	if out := f(text); !bytes.Equal(out, text) {
		w.replace(r, start, rawjson.Quote(nil, out))
	}
}

// token consumes a string and puts a token in its place.
func (w *shareWalk) token(r shareRule) {
	w.edit(r, func(text []byte) []byte {
		if len(text) == 0 || isToken(text) {
			return text
		}
		return w.s.gateA.token(text)
	})
}

// each calls f for every element of a list, or for the value if it is none.
func (w *shareWalk) each(f func()) {
	if w.c.Peek() != '[' {
		w.value(nil)
		return
	}
	for w.c.Enter('['); w.c.More(']'); {
		f()
	}
}

// pair walks one {name, value}: the value becomes a token.
func (w *shareWalk) pair(r shareRule) {
	if w.c.Peek() != '{' {
		w.value(nil)
		return
	}
	for w.c.Enter('{'); w.c.More('}'); {
		w.c.Peek()
		start := w.c.At
		key := w.c.Key()
		if string(key) == "value" && w.c.Peek() == '"' {
			w.edit(r, func(text []byte) []byte {
				if harmless(text) {
					return text
				}
				return w.s.gateA.token(text)
			})
			continue
		}
		w.path = append(w.path, key)
		w.member(start, key, &about{})
		w.path = w.path[:len(w.path)-1]
	}
}

// argument walks one argument of a command.
func (w *shareWalk) argument() {
	if w.c.Peek() != '"' {
		w.value(nil)
		return
	}
	if w.s.strict {
		w.token(shareArgument)
		return
	}
	w.edit(shareArgument, func(text []byte) []byte {
		name, value, assigned := bytes.Cut(text, []byte("="))
		if assigned && len(name) > 1 && name[0] == '-' && !bytes.ContainsAny(name, " \n") {
			if harmless(value) {
				return text
			}
			return append(append(bytes.Clone(name), '='), w.s.gateA.token(value)...)
		}
		return w.s.accounts(w.s.queries(text))
	})
}

// shownAnnotations are what Kubernetes and the analyzer decide by.
var shownAnnotations = map[string]bool{
	"k8s.io/initial-events-end": true, "deployment.kubernetes.io/revision": true, "deployment.kubernetes.io/desired-replicas": true,
	"deployment.kubernetes.io/max-replicas": true, "deprecated.daemonset.template.generation": true,
	"kubectl.kubernetes.io/restartedAt": true, "kubernetes.io/ingress.class": true, "ingressclass.kubernetes.io/is-default-class": true,
	"storageclass.kubernetes.io/is-default-class": true, "storageclass.beta.kubernetes.io/is-default-class": true,
	"service.kubernetes.io/topology-mode": true, "endpoints.kubernetes.io/over-capacity": true,
	"endpoints.kubernetes.io/last-change-trigger-time": true, "pv.kubernetes.io/bind-completed": true,
	"pv.kubernetes.io/bound-by-controller": true, "batch.kubernetes.io/job-completion-index": true,
}

// longAnnotation is the length from which on a value is more than a setting.
const longAnnotation = 256

func (w *shareWalk) annotations() {
	if w.c.Peek() != '{' {
		w.value(nil)
		return
	}
	for w.c.Enter('{'); w.c.More('}'); {
		key := w.c.Key()
		switch {
		case w.c.Peek() != '"':
			w.value(nil)
		case w.s.strict && !shownAnnotations[string(key)]:
			w.token(shareAnnotation)
		default:
			w.edit(shareAnnotation, func(text []byte) []byte {
				if len(text) > longAnnotation && !isToken(text) {
					return w.s.gateA.token(text)
				}
				return w.s.accounts(w.s.queries(text))
			})
		}
	}
}

// leaf consumes a string that stands where the path says.
func (w *shareWalk) leaf(at *about) {
	if !w.s.strict {
		w.edit(shareAccount, w.s.accounts)
		return
	}
	if at == nil {
		at = &about{}
	}
	key, parent := w.up(0), w.up(1)
	n := w.s.names
	named := func(r shareRule, f func(string) string) {
		w.edit(r, func(text []byte) []byte { return []byte(f(string(text))) })
	}
	switch key {
	case "kind", "apiVersion", "uid", "resourceVersion", "namespace":
		w.c.Skip()
		return
	case "name":
		switch {
		case parent == "metadata" && len(w.path) == 2:
			named(shareNode, func(name string) string { return n.object(w.resource, w.namespace, name) })
		case at.kind == "Node":
			named(shareNode, n.node)
		case at.kind == "Pod":
			named(shareNode, n.pod)
		case at.kind == "Secret" || secretRef(parent):
			named(shareSecretName, n.secret)
		default:
			w.c.Skip()
		}
		return
	case "secretName":
		named(shareSecretName, n.secret)
		return
	case "nodeName", "nominatedNodeName", "kubernetes.io/hostname":
		named(shareNode, n.node)
		return
	case "holderIdentity", "reportingInstance", "reportingComponent":
		named(shareNode, n.nodeIn)
		return
	case "values":
		if at.key == "kubernetes.io/hostname" || at.key == "metadata.name" {
			named(shareNode, n.node)
			return
		}
	case "key":
		if parent == "configMapKeyRef" || parent == "items" && w.up(2) == "configMap" {
			w.token(shareConfigKey)
			return
		}
	case "address":
		switch at.kindOf {
		case "Hostname", "InternalDNS", "ExternalDNS":
			named(shareHost, n.nodeOrHost)
			return
		}
	case "host", "hosts", "hostname", "hostnames", "externalName":
		if parent == "source" || parent == "deprecatedSource" {
			named(shareNode, n.nodeIn)
			return
		}
		named(shareHost, n.nodeOrHost)
		return
	case "image", "imageID":
		named(shareHost, n.image)
		return
	case "names":
		if parent == "images" {
			named(shareHost, n.image)
			return
		}
	}
	w.edit(shareAddress, func(text []byte) []byte { return w.s.accounts(w.s.urls(w.s.addresses(w.s.queries(text)))) })
}

// up returns a name on the path, 0 being the last.
func (w *shareWalk) up(n int) string {
	if n >= len(w.path) {
		return ""
	}
	return string(w.path[len(w.path)-1-n])
}

// secretRef reports whether what goes by the name refers to a Secret by its
// name alone.
func secretRef(parent string) bool {
	switch parent {
	case "imagePullSecrets", "secrets", "secret":
		return true
	}
	return strings.HasSuffix(parent, "ecretRef") || strings.HasSuffix(parent, "ecretKeyRef")
}
