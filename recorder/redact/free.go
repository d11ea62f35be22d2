package redact

import (
	"bytes"
	"slices"

	"github.com/svcspy/svcspy/store/rawjson"
)

// What the policy "shape" does on the way through an object.

// judge returns the judge of values in this object.
func (w *walk) judge() *judge {
	return &judge{at: w.place(placeText), names: &w.p.names}
}

// judged consumes a string, the value of a name, and replaces what does not stay.
func (w *walk) judged(r rule, name []byte) {
	start := w.c.At
	text := w.string()
	if len(text) == 0 || len(text) < 20 && shaped(name, text) && !suspicious(name) {
		return
	}
	out, changed := w.p.judged.judge('v', w.place(placeText).namespace, name, text, func() []byte {
		j := w.judge()
		if harmless(text) {
			return text
		}
		if suspicious(name) {
			return j.at.token(text)
		}
		found, _ := j.at.scan(text, true)
		return j.value(name, found, 0)
	})
	if changed {
		w.replace(r, start, rawjson.Quote(nil, out))
	}
}

// message consumes a text that programs write for people.
func (w *walk) message() {
	start := w.c.At
	text := w.string()
	if len(text) == 0 {
		return
	}
	out, changed := w.p.judged.judge('m', w.place(placeText).namespace, nil, text, func() []byte {
		j := w.judge()
		found, _ := j.at.scan(text, true)
		return j.prose(found)
	})
	if changed {
		w.replace(message, start, rawjson.Quote(nil, out))
	}
}

// name consumes a name that is shown anyway, and may stand where values stand.
func (w *walk) name() {
	start := w.c.At
	text := w.string()
	if w.c.Err() == nil && len(text) > 0 {
		w.p.names.learn(text)
	}
	if out, changed := w.scan(text, false); changed {
		w.replace(pattern, start, rawjson.Quote(nil, out))
	}
}

// member handles a member of an object that the policy looks at by its name, and
// reports whether it has consumed it.
func (w *walk) member(key, parent []byte) bool {
	next := w.c.Peek()
	switch string(key) {
	case "name", "namespace":
		switch string(parent) {
		case "metadata":
			if next == '"' && w.depth == 2 && !(w.events && len(key) == 4) {
				w.name()
				return true
			}
		case "containers", "initContainers", "involvedObject", "regarding":
			if next == '"' {
				w.name()
				return true
			}
		}
	case "labels", "matchLabels", "nodeSelector", "selector", "taints", "tolerations", "matchExpressions":
		if !w.schema && (next == '{' || next == '[') {
			w.labels(key)
			return true
		}
	case "mountPath", "subPath", "subPathExpr", "workingDir", "terminationMessagePath", "devicePath", "volumePath":
		if next == '"' && !w.schema {
			w.path(key)
			return true
		}
	case "audience", "audiences", "iqn", "diskURI", "keyring", "gmsaCredentialSpec", "action", "searches", "nonResourceURLs", "hostnames", "externalName", "extra", "enum":
		if !w.schema || string(key) == "enum" {
			w.settings(key)
			return true
		}
	case "reason":
		if next == '"' {
			ahead := w.c
			if !stateName.allows([]byte(ahead.String())) {
				w.judged(environment, key)
				return true
			}
		}
	case "generateName":
		if next == '"' {
			ahead := w.c
			if text := []byte(ahead.String()); len(text) < 20 || !slices.ContainsFunc(bytes.Split(text, []byte("-")), longRandom) {
				w.text(pattern, true)
				return true
			}
			w.judged(environment, key)
			return true
		}
	case "sysctls":
		w.named(key)
		return true
	case "nodeName":
		if next == '"' {
			w.name()
			return true
		}
	case "description":
		if next == '"' && !w.schema {
			w.message()
			return true
		}
	case "path":
		if next == '"' && !w.schema {
			if string(parent) == "httpGet" || string(parent) == "paths" {
				w.judged(environment, key)
				return true
			}
			w.path(key)
			return true
		}
	case "url", "repository", "volumeHandle", "expression", "messageExpression", "valueExpression":
		if next == '"' {
			w.judged(environment, key)
			return true
		}
	case "mountOptions":
		w.commandLine(key)
		return true
	case "parameters", "options", "volumeAttributes", "attachmentMetadata":
		if !w.custom {
			w.free(environment, key, key)
			return true
		}
	case "default", "example":
		if w.schema {
			w.free(customData, key, key)
			return true
		}
	}
	return false
}

// labels walks the labels of an object, or what selects by labels. They stay: the
// cluster decides by them. Those that hold a secret become tokens that are equal
// everywhere.
func (w *walk) labels(parent []byte) {
	switch w.c.Peek() {
	case '{':
		name := labelKey(w.c)
		for w.c.Enter('{'); w.c.More('}'); {
			key := w.c.Key()
			switch {
			case name != nil && string(key) == "values":
				w.labels(name)
			case w.c.Peek() == '{' || w.c.Peek() == '[':
				w.labels(key)
			case w.c.Peek() != '"':
				w.c.Skip()
			case name == nil:
				w.label(key)
			case string(key) == "value":
				w.label(name)
			default:
				w.text(pattern, true)
			}
		}
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			w.labels(parent)
		}
	case '"':
		w.label(parent)
	default:
		w.c.Skip()
	}
}

// labelKey returns the key of a taint, a toleration or a requirement.
func labelKey(ahead rawjson.Cursor) (name []byte) {
	decides := false
	for ahead.Enter('{'); ahead.More('}'); {
		switch key := ahead.Key(); {
		case string(key) == "key" && ahead.Peek() == '"':
			name = []byte(ahead.String())
			continue
		case string(key) == "operator", string(key) == "effect":
			decides = true
		}
		ahead.Skip()
	}
	if !decides || ahead.Err() != nil {
		return nil
	}
	return append([]byte{}, name...)
}

// label consumes the value of a label.
func (w *walk) label(name []byte) {
	start := w.c.At
	text := w.string()
	if w.c.Err() != nil || len(text) == 0 {
		return
	}
	secret := suspicious(name) && !shaped(name, text) || hasRandomPart(text)
	suspects(text, true, func(string, int, int) { secret = true })
	if secret && !isToken(text) {
		w.replace(pattern, start, rawjson.Quote(nil, place{p: w.p, kind: placeLabel}.token(text)))
		return
	}
	if w.depth == 2 && w.meta {
		w.p.names.learn(text)
	}
}

// longRandom reports whether a part of a name is longer than the hashes that
// controllers put there, and no word.
func longRandom(part []byte) bool { return len(part) > 12 && isMixed(part) }

// path consumes the path of a file. What looks like the name of a file stays.
func (w *walk) path(key []byte) {
	ahead := w.c
	for part := range bytes.SplitSeq([]byte(ahead.String()), []byte("/")) {
		if len(part) > 0 && !isPlainSegment(part) && !isVersion(part) {
			w.judged(environment, key)
			return
		}
	}
	w.text(environment, true)
}

// settings judges a string, or all strings of a list or a map.
func (w *walk) settings(name []byte) {
	switch w.c.Peek() {
	case '{':
		for w.c.Enter('{'); w.c.More('}'); {
			w.settings(w.c.Key())
		}
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			w.settings(name)
		}
	case '"':
		w.judged(environment, name)
	default:
		w.c.Skip()
	}
}

// structural reports whether an annotation is one of those by which Kubernetes
// and Helm say names.
func structural(key []byte) bool {
	domain, name, ok := bytes.Cut(key, []byte("/"))
	return ok && (bytes.HasSuffix(domain, []byte("kubernetes.io")) || bytes.HasSuffix(domain, []byte("k8s.io")) || bytes.HasSuffix(domain, []byte("helm.sh"))) &&
		!bytes.Contains(name, []byte("snippet"))
}

// annotation consumes the value of an annotation.
func (w *walk) annotation(key []byte) {
	if structural(key) && !suspicious(key) {
		ahead := w.c
		if quoted, escaped := ahead.Quoted(); ahead.Err() == nil && !escaped {
			if text := quoted[1 : len(quoted)-1]; len(text) > 0 && isName(text) && !isMixed(text) {
				w.text(annotation, true)
				return
			}
		}
	}
	w.judged(annotation, key)
}

// commandLine walks the words of a command. Each is judged by itself and by the
// one before it.
func (w *walk) commandLine(key []byte) {
	if w.c.Peek() == '"' {
		w.judged(environment, key)
		return
	}
	if w.c.Peek() != '[' {
		w.value(key)
		return
	}
	next, program := anything, ""
	for w.c.Enter('['); w.c.More(']'); {
		if w.c.Peek() != '"' {
			w.value(key)
			continue
		}
		start := w.c.At
		text := w.string()
		if program == "" {
			program = commandName(text)
		}
		expect := next
		next = follows(program, text, false)
		if len(text) == 0 {
			continue
		}
		out, changed := w.p.judged.judge('a'+byte(expect), w.place(placeText).namespace, nil, text, func() []byte {
			return w.argument(text, expect)
		})
		if changed {
			w.replace(environment, start, rawjson.Quote(nil, out))
		}
	}
}

// argument judges one word of a command.
func (w *walk) argument(text []byte, expect expectation) []byte {
	j := w.judge()
	flag := len(text) > 1 && text[0] == '-' && isWords(bytes.TrimLeft(text, "-"))
	switch {
	case harmless(text):
		return text
	case expect == secretNext && !flag:
		return j.secret(text)
	case expect == maybePair && isPair(text):
		return j.pair(text)
	case expect == maybeSecret && text[0] != '-' && !isPath(text) && !isPort(text) && !bytes.ContainsAny(text, "= \n") && !bytes.Contains(text, []byte("://")):
		return j.pair(text)
	}
	found, _ := j.at.scan(text, true)
	return j.value(nil, found, 0)
}

// free walks a value that may hold anything: everything but metadata in custom
// resources, and parameters. name is what its strings are called, parent the
// member around.
func (w *walk) free(r rule, name, parent []byte) {
	switch w.c.Peek() {
	case '{':
		w.freeObject(name, parent)
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			w.free(r, name, parent)
		}
	case '"':
		w.freeText(r, name, parent, false)
	default:
		w.c.Peek()
		start := w.c.At
		w.c.Skip()
		if value := w.c.Text[start:w.c.At]; w.c.Err() == nil && suspicious(name) && !harmless(value) && !isNumberOf(name) {
			w.replace(r, start, rawjson.Quote(nil, w.place(placeText).token(value)))
		}
	}
}

// isNumberOf reports whether a name that looks like that of a secret is that of
// a number: a count of tokens, the length of a key.
func isNumberOf(name []byte) bool {
	switch lastWord(name) {
	case "tokens", "keys", "bits", "length", "retries", "timeout", "replicas", "generation", "max", "min", "limit", "period", "interval":
		return true
	}
	return false
}

func (w *walk) freeObject(name, parent []byte) {
	w.depth++
	defer func() { w.depth-- }()
	said := sayName(w.c)
	requirement := selects(w.c)
	reference := refers(w.c)
	for w.c.Enter('{'); w.c.More('}'); {
		w.c.Peek()
		start := w.c.At
		key := w.c.Key()
		if !isToken(key) && !isKey(key) {
			if w.c.Err() == nil {
				w.replace(customData, start, append(rawjson.Quote(nil, w.place(placeText).token(key)), ':'))
			}
		}
		switch {
		case string(key) == "annotations":
			w.annotations()
		case string(key) == "args" || string(key) == "command" || string(key) == "mountOptions":
			w.commandLine(key)
		case (string(key) == "message" || string(key) == "note") && w.c.Peek() == '"':
			w.message()
		case string(key) == "description" && w.c.Peek() == '"':
			w.message()
		case requirement && string(key) == "values":
			w.labels(key)
		case !requirement && sensitive(key, name):
			w.conceal(customData, false)
		case said != nil && isValueKey(key):
			w.free(customData, said, key)
		case said == nil && (string(key) == "value" || string(key) == "content"):
			w.free(customData, name, key)
		case reference && w.c.Peek() == '"':
			w.freeText(customData, key, name, true)
		default:
			w.free(customData, key, name)
		}
	}
}

// selects reports whether an object is a requirement of a selector or a
// toleration.
func selects(ahead rawjson.Cursor) bool {
	for ahead.Enter('{'); ahead.More('}'); {
		if string(ahead.Key()) != "operator" || ahead.Peek() != '"' {
			ahead.Skip()
			continue
		}
		switch ahead.String() {
		case "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Equal":
			return ahead.Err() == nil
		}
		return false
	}
	return false
}

// refers reports whether an object refers to another: it has a name, a kind or an
// operator beside its key.
func refers(ahead rawjson.Cursor) bool {
	for ahead.Enter('{'); ahead.More('}'); {
		switch string(ahead.Key()) {
		case "name", "kind", "operator", "resource", "effect":
			return ahead.Err() == nil
		}
		ahead.Skip()
	}
	return false
}

// freeText consumes a string of a custom resource.
func (w *walk) freeText(r rule, name, parent []byte, reference bool) {
	if what := identifies(name, parent, reference); what != notName {
		ahead := w.c
		if quoted, escaped := ahead.Quoted(); ahead.Err() == nil && !escaped {
			text := quoted[1 : len(quoted)-1]
			if isUID(text) && bytes.HasSuffix(bytes.ToLower(name), []byte("uid")) {
				w.c.Skip()
				return
			}
			if what.allows(text) && !hasRandomPart(text) {
				w.text(r, true)
				return
			}
		}
	}
	w.judged(r, name)
}

// nameKind is what a member of a custom resource names.
type nameKind int

const (
	notName    nameKind = iota
	objectName          // of an object, a host, a label
	typeName            // of a kind, with its group
	stateName           // one word
)

// identifies reports whether a member says the name of something. reference
// reports whether the object around refers to something by name.
func identifies(name, parent []byte, reference bool) nameKind {
	switch string(name) {
	case "kind", "apiVersion", "apiGroup", "type", "image", "manager", "operation":
		return typeName
	case "uid", "name", "namespace", "host", "hosts", "hostname", "hostnames":
		return objectName
	case "phase", "state", "reason":
		return stateName
	case "key", "group", "resource", "version", "component", "class", "app":
		if reference {
			return objectName
		}
		return notName
	}
	for _, end := range []string{"Name", "Names", "Ref", "Namespace", "Namespaces", "Kind", "Class"} {
		if bytes.HasSuffix(name, []byte(end)) && !secretName(name, certain) {
			return objectName
		}
	}
	switch string(parent) {
	case "labels", "matchLabels", "selector", "nodeSelector", "podSelector", "conditions":
		return typeName
	}
	return notName
}

// allows reports whether a text can be such a name.
func (k nameKind) allows(text []byte) bool {
	switch k {
	case stateName:
		return len(text) <= 63 && len(bytes.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0
	case objectName:
		if bytes.ContainsAny(text, "/:@$") {
			return false
		}
	}
	return isKey(bytes.TrimPrefix(text, []byte("*."))) && bytes.IndexByte(text, ' ') < 0
}
