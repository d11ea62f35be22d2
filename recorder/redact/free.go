package redact

import (
	"bytes"

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
	case "labels":
		if next == '{' && string(parent) == "metadata" && w.depth == 2 {
			for w.c.Enter('{'); w.c.More('}'); {
				w.c.Key()
				if w.c.Peek() == '"' {
					w.name()
					continue
				}
				w.value(key)
			}
			return true
		}
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
		if next == '"' && (string(parent) == "httpGet" || string(parent) == "paths") {
			w.judged(environment, key)
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
		w.freeText(r, name, parent)
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
	requirement := saysOperator(w.c)
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
			w.value(key)
		case !requirement && sensitive(key, name):
			w.conceal(customData, false)
		case said != nil && isValueKey(key):
			w.free(customData, said, key)
		case said == nil && (string(key) == "value" || string(key) == "content"):
			w.free(customData, name, key)
		default:
			w.free(customData, key, name)
		}
	}
}

// saysOperator reports whether an object is a requirement of a selector or a
// toleration.
func saysOperator(ahead rawjson.Cursor) bool {
	for ahead.Enter('{'); ahead.More('}'); {
		if string(ahead.Key()) == "operator" {
			return ahead.Err() == nil
		}
		ahead.Skip()
	}
	return false
}

// freeText consumes a string of a custom resource.
func (w *walk) freeText(r rule, name, parent []byte) {
	if identifies(name, parent) {
		ahead := w.c
		if quoted, escaped := ahead.Quoted(); ahead.Err() == nil && !escaped {
			text := quoted[1 : len(quoted)-1]
			if isUID(text) && bytes.HasSuffix(bytes.ToLower(name), []byte("uid")) {
				w.c.Skip()
				return
			}
			if isKey(bytes.TrimPrefix(text, []byte("*."))) && bytes.IndexByte(text, ' ') < 0 {
				w.text(r, true)
				return
			}
		}
	}
	w.judged(r, name)
}

// identifies reports whether a member says the name of something: of an object,
// a kind, a state.
func identifies(name, parent []byte) bool {
	switch string(name) {
	case "uid", "name", "namespace", "kind", "apiVersion", "apiGroup", "group", "resource", "version", "phase", "state", "reason", "type", "host", "hosts",
		"hostname", "hostnames", "component", "manager", "operation", "class", "image", "key", "app":
		return true
	}
	for _, end := range []string{"Name", "Names", "Ref", "Namespace", "Namespaces", "Kind", "Class"} {
		if bytes.HasSuffix(name, []byte(end)) && !secretName(name, certain) {
			return true
		}
	}
	switch string(parent) {
	case "labels", "matchLabels", "selector", "nodeSelector", "podSelector", "conditions":
		return true
	}
	return bytes.HasSuffix(parent, []byte("Ref")) || bytes.HasSuffix(parent, []byte("Refs"))
}
