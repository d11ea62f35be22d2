package redact

import (
	"bytes"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/rawjson"
)

// walk is the way through one object. What is not replaced is copied in
// stretches as long as possible.
type walk struct {
	p      *Policy
	c      rawjson.Cursor
	out    []byte
	copied int // bytes of c.Text that are in out

	custom   bool // a custom resource
	depth    int  // of objects around the cursor
	meta     bool // the cursor is in the object's metadata
	schema   bool // a CustomResourceDefinition
	events   bool // Events, whose names say nothing
	amounts  bool // the members of this object are quantities
	renamed  bool // an annotation has a token for its name
	alone    bool // what is walked is no part of an object that comes again
	resource schema.GroupResource
	replaced [rules]uint32
	at       place
	placed   bool // at is known
	// concealed is the rule for the data of a Secret or ConfigMap; pattern for
	// everything else, whose data are ordinary members.
	concealed rule
}

// builtIn are the API groups of Kubernetes itself. Objects of any other group
// are custom resources.
var builtIn = map[string]bool{
	"": true, "admissionregistration.k8s.io": true, "apiextensions.k8s.io": true, "apiregistration.k8s.io": true,
	"apps": true, "authentication.k8s.io": true, "authorization.k8s.io": true, "autoscaling": true, "batch": true,
	"certificates.k8s.io": true, "coordination.k8s.io": true, "discovery.k8s.io": true, "events.k8s.io": true,
	"extensions": true, "flowcontrol.apiserver.k8s.io": true, "internal.apiserver.k8s.io": true,
	"imagepolicy.k8s.io": true, "lifecycle.k8s.io": true, "networking.k8s.io": true, "node.k8s.io": true, "policy": true, "rbac.authorization.k8s.io": true,
	"resource.k8s.io": true, "scheduling.k8s.io": true, "storage.k8s.io": true, "storagemigration.k8s.io": true,
}

func newWalk(p *Policy, resource schema.GroupResource, dst, text []byte) *walk {
	w := &walk{p: p, c: rawjson.Cursor{Text: text}, out: dst, resource: resource, custom: !builtIn[resource.Group], concealed: pattern}
	w.schema = resource.Resource == "customresourcedefinitions"
	w.events = resource.Resource == "events"
	w.at = place{p: p, kind: placeText}
	switch {
	case resource == schema.GroupResource{Resource: "secrets"}:
		w.concealed, w.alone = secretData, true
	case resource == schema.GroupResource{Resource: "configmaps"} && !p.configMapValues:
		w.concealed = configMapData
	}
	return w
}

// replace puts something else in the place of what was read since start.
func (w *walk) replace(r rule, start int, with []byte) {
	if w.c.Err() != nil {
		return
	}
	w.out = append(w.out, w.c.Text[w.copied:start]...)
	w.out = append(w.out, with...)
	w.copied = w.c.At
	w.replaced[r]++
}

// place returns where the object stands: in a namespace, which is looked for when
// the first token is made.
func (w *walk) place(kind placeKind) place {
	if !w.placed {
		w.placed = true
		var name string
		w.at.namespace, name = identity(w.c.Text)
		if w.concealed == secretData {
			w.at.name = name
		}
	}
	at := w.at
	at.kind = kind
	if kind != placeSecret {
		at.name = ""
	}
	return at
}

// identity returns the namespace and name of an object.
func identity(text []byte) (namespace, name string) {
	c := rawjson.Cursor{Text: text}
	if c.Peek() != '{' {
		return "", ""
	}
	for c.Enter('{'); c.More('}'); {
		if string(c.Key()) != "metadata" || c.Peek() != '{' {
			c.Skip()
			continue
		}
		for c.Enter('{'); c.More('}'); {
			key := c.Key()
			switch {
			case c.Peek() != '"':
				c.Skip()
			case string(key) == "namespace":
				namespace = c.String()
			case string(key) == "name":
				name = c.String()
			default:
				c.Skip()
			}
		}
		return namespace, name
	}
	return "", ""
}

// value walks a value of any kind. key is the name of the member it is the
// value of; nil is the object itself.
func (w *walk) value(key []byte) {
	switch w.c.Peek() {
	case '{':
		w.object(key)
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			p, known := w.begin(key, nil, inList)
			if !known {
				w.value(key)
				w.end(p)
			}
		}
	case '"':
		if w.p.patterns {
			w.text(pattern, false)
			return
		}
		w.leaf(key)
	default:
		w.c.Skip()
	}
}

// object walks the members of an object. parent is the name it goes by.
//
// What a member may hold is known by its name wherever it stands: Pod specs
// are found inside workloads, templates, ControllerRevisions and all kinds of
// custom resources.
func (w *walk) object(parent []byte) {
	if w.custom && w.depth > 0 && !w.p.patterns && !w.meta {
		w.freeObject(parent, parent)
		return
	}
	w.depth++
	outer := w.amounts
	w.amounts = !w.custom && amounts[string(parent)]
	defer func() { w.depth, w.amounts = w.depth-1, outer }()
	var said memberContext
	for w.c.Enter('{'); w.c.More('}'); {
		key := w.c.Key()
		if w.depth == 1 && string(key) == "metadata" || string(key) == "managedFields" {
			w.field(key, parent, &said)
			continue
		}
		p, known := w.begin(key, parent, said.around())
		if !known {
			w.field(key, parent, &said)
			w.end(p)
		}
	}
}

// memberContext is what the members before one say of it.
type memberContext struct {
	requirement bool // {key, operator, values} of a label selector
	secret      bool // {name, value} of a parameter with the name of a secret
}

func (m memberContext) around() (s surroundings) {
	if m.requirement {
		s |= inRequirement
	}
	if m.secret {
		s |= besideSecret
	}
	return s
}

// field walks the value of a member of an object.
func (w *walk) field(key, parent []byte, said *memberContext) {
	if !w.p.patterns && w.member(key, parent) {
		return
	}
	if w.depth == 1 && string(key) == "metadata" {
		w.meta = true
		w.value(key)
		w.meta = false
		return
	}
	switch string(key) {
	case "managedFields":
		w.managedFields()
		return
	case "annotations":
		w.annotations()
		return
	case "env", "httpHeaders", "options", "volumeAttributes":
		w.named(key)
		return
	case "args", "command":
		w.arguments(key)
		return
	case "message", "note":
		w.prose(key)
		return
	case "parameters":
		if !w.custom { // of a StorageClass
			w.named(key)
			return
		}
	case "data", "binaryData", "stringData":
		if parent == nil && w.concealed != pattern {
			w.conceal(w.concealed, w.concealed == secretData && string(key) == "data" || string(key) == "binaryData")
			return
		}
		if parent == nil && !w.custom && w.c.Peek() == '"' { // of a RangeAllocation
			w.conceal(pattern, true)
			return
		}
	case "operator":
		said.requirement = true
	case "name":
		if w.custom && w.c.Peek() == '"' {
			ahead := w.c
			said.secret = secretName([]byte(ahead.String()), certain)
		}
	case "value":
		if said.secret && w.c.Peek() == '"' {
			w.secret(customData)
			return
		}
	case "values":
		if said.requirement {
			w.value(key)
			return
		}
	}
	if w.custom && sensitive(key, parent) {
		w.conceal(customData, false)
		return
	}
	if w.custom && !w.p.patterns && w.depth == 1 && string(key) != "kind" && string(key) != "apiVersion" {
		w.free(customData, key, nil)
		return
	}
	w.value(key)
}

// conceal replaces every string of a value.
func (w *walk) conceal(r rule, encoded bool) {
	switch w.c.Peek() {
	case '{':
		for w.c.Enter('{'); w.c.More('}'); {
			w.c.Key()
			w.conceal(r, encoded)
		}
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			w.conceal(r, encoded)
		}
	case '"':
		start := w.c.At
		value := w.string()
		switch {
		case len(value) == 0 || isToken(value):
		case encoded:
			if token, changed := w.place(placeOf(r)).encoded(value); changed {
				w.replace(r, start, rawjson.Quote(nil, token))
			}
		default:
			w.replace(r, start, rawjson.Quote(nil, w.place(placeOf(r)).token(value)))
		}
	default:
		w.c.Skip()
	}
}

// placeOf returns the kind of place in which a rule conceals everything.
func placeOf(r rule) placeKind {
	switch r {
	case secretData:
		return placeSecret
	case configMapData:
		return placeConfig
	}
	return placeText
}

// string consumes a string and returns what it says, which may be a part of
// the text and must not be changed.
func (w *walk) string() []byte {
	quoted, escaped := w.c.Quoted()
	switch {
	case w.c.Err() != nil:
		return nil
	case escaped:
		return rawjson.Unquote(nil, quoted)
	}
	return quoted[1 : len(quoted)-1]
}

// text consumes a string and replaces what looks like a secret in it.
func (w *walk) text(r rule, entropy bool) {
	start := w.c.At
	if out, changed := w.scan(w.string(), entropy); changed {
		w.replace(r, start, rawjson.Quote(nil, out))
	}
}

// scan replaces what looks like a secret in a text.
func (w *walk) scan(s []byte, entropy bool) (out []byte, changed bool) {
	found := false
	suspects(s, entropy, func(string, int, int) { found = true })
	if !found {
		return s, false
	}
	return w.place(placeText).scan(s, entropy)
}

// secret consumes a string that is a secret if anything is.
func (w *walk) secret(r rule) {
	start := w.c.At
	if value := w.string(); !harmless(value) {
		w.replace(r, start, rawjson.Quote(nil, w.place(placeText).token(value)))
	}
}

// prose is a text that programs write for people.
func (w *walk) prose(key []byte) {
	if w.c.Peek() == '"' {
		if !w.p.patterns {
			w.message()
			return
		}
		w.text(pattern, true)
		return
	}
	w.value(key)
}

// annotations walks a map of annotations.
func (w *walk) annotations() {
	if w.c.Peek() != '{' {
		w.value(nil)
		return
	}
	for w.c.Enter('{'); w.c.More('}'); {
		w.c.Peek()
		start := w.c.At
		key := w.c.Key()
		if !w.p.patterns && !isToken(key) && !isKey(key) && w.c.Err() == nil {
			w.renamed = true
			w.replace(annotation, start, append(rawjson.Quote(nil, w.place(placeText).token(key)), ':'))
		}
		switch {
		case w.c.Peek() != '"':
			w.value(key)
		case copiesObject(key), w.concealed == secretData && w.saysObject():
			start := w.c.At
			if value := w.string(); len(value) > 0 && !isToken(value) {
				w.replace(lastApplied, start, rawjson.Quote(nil, w.place(placeCopy).token(value)))
			}
		case !w.p.patterns:
			w.annotation(key)
		case secretName(key, certain):
			w.secret(annotation)
		default:
			w.text(annotation, true)
		}
	}
}

// copiesObject reports whether an annotation holds a copy of the object as
// somebody applied it, Secret values included.
func copiesObject(key []byte) bool {
	switch string(key) {
	case "kapp.k14s.io/original", "kapp.k14s.io/original-diff", "kapp.k14s.io/original-diff-full", "objectset.rio.cattle.io/applied":
		return true
	}
	return bytes.Contains(key, []byte("last-applied")) || bytes.Contains(key, []byte("last-handled")) // the latter by kopf
}

// saysObject reports whether the string that comes next is an object in JSON. What
// is said of a Secret that way may be the Secret, whoever says it.
func (w *walk) saysObject() bool {
	ahead := w.c
	return strings.HasPrefix(strings.TrimSpace(ahead.String()), "{")
}

// named walks names with values: a list of {name, value}, or a map.
func (w *walk) named(key []byte) {
	switch w.c.Peek() {
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			if w.c.Peek() != '{' {
				w.value(key)
				continue
			}
			w.pair()
		}
	case '{':
		for w.c.Enter('{'); w.c.More('}'); {
			name := w.c.Key()
			if w.c.Peek() != '"' {
				w.value(name)
				continue
			}
			w.setting(name)
		}
	default:
		w.value(key)
	}
}

// pair walks one {name, value}.
func (w *walk) pair() {
	var name []byte
	ahead := w.c // the name may stand behind the value
	for ahead.Enter('{'); ahead.More('}'); {
		if string(ahead.Key()) == "name" && ahead.Peek() == '"' {
			name = []byte(ahead.String())
			continue
		}
		ahead.Skip()
	}
	for w.c.Enter('{'); w.c.More('}'); {
		key := w.c.Key()
		if string(key) == "value" && w.c.Peek() == '"' {
			w.setting(name)
			continue
		}
		w.value(key)
	}
}

// setting consumes the string that is the value of a name.
func (w *walk) setting(name []byte) {
	if !w.p.patterns {
		w.judged(environment, name)
		return
	}
	if secretName(name, likely) {
		w.secret(environment)
		return
	}
	w.text(environment, true)
}

// arguments walks the arguments of a command: "--password=x", "--password x",
// or a script.
func (w *walk) arguments(key []byte) {
	if !w.p.patterns {
		w.commandLine(key)
		return
	}
	if w.c.Peek() != '[' {
		w.prose(key)
		return
	}
	var follows bool // the argument before was a flag that wants a secret
	for w.c.Enter('['); w.c.More(']'); {
		if w.c.Peek() != '"' {
			w.value(key)
			continue
		}
		ahead := w.c
		argument := []byte(ahead.String())
		flag := len(argument) > 1 && argument[0] == '-'
		name, value, assigned := bytes.Cut(argument, []byte("="))
		secret := flag && !bytes.ContainsAny(name, " \n") && secretName(name, certain)
		switch {
		case follows && !flag:
			w.secret(environment)
		case secret && assigned && !harmless(value):
			start := w.c.At
			w.c.Skip()
			w.replace(environment, start, rawjson.Quote(nil, slices.Concat(name, []byte("="), w.place(placeText).token(value))))
		default:
			w.text(environment, true)
		}
		follows = secret && !assigned
	}
}
