// Package redact takes secrets out of Kubernetes objects while they are JSON,
// before they reach a disk. It leaves a token in the place of what it takes out,
// so that equality and change stay visible: "the password changed at 14:01".
//
// What needs no redaction keeps its bytes. What cannot be read as JSON is
// refused, never passed on.
//
// Gate A, for recording, has two policies. Both do this:
//
//	data of Secrets, and of ConfigMaps unless  a token for each value; names, keys and type stay
//	they are to be kept
//	copies of the object in annotations        a token for the whole
//	(last-applied-configuration and its kind)
//	managedFields                              stay, without the fields of what is replaced
//	all strings                                a token for what has the shape of a secret (pattern.go)
//
// The policy "shape", the default, does not rely on recognising secrets. In the
// places where people and programs write what they like, a value stays only if
// its shape is harmless (shape.go) and its name is not that of a secret
// (names.go); everything else becomes a token:
//
//	env, args, commands, headers, paths and    judged word by word, as a shell divides them (text.go)
//	commands of probes, annotations, options   and by their structure: URLs, JSON, name=value, lists
//	and parameters of volumes and classes      (value.go)
//	custom resources                           every string but names of objects, kinds and states
//	messages of Events, conditions and         words of the vocabulary and of known messages stay
//	terminations, descriptions                 (prose.go, templates.txt, words.txt, programs.txt)
//
// The policy "patterns" replaces there only what it recognises: a value under the
// name of a secret, or of the shape of one.
//
// A token is written ‹r:7f3a9c2b41d05e68:12›: the beginning of a keyed hash of
// the value and of the kind of place it stands in, and its length in bytes. Where
// the object has base64, so is the token. The key is random and kept nowhere.
package redact

import (
	"crypto/rand"
	"fmt"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// rule says why something was replaced.
type rule int

const (
	secretData rule = iota
	lastApplied
	annotation
	environment // env, args, commands, headers, options of volumes
	configMapData
	customData // values of custom resources
	fieldNames // managedFields below any of these
	pattern    // something in a text that looks like a secret
	message    // words of messages
	rules      // how many there are
)

var ruleNames = [rules]string{
	"secretData", "lastApplied", "annotations", "environment", "configMapData", "customResources", "managedFields", "patterns", "messages",
}

// Policies are the names of the policies of gate A.
var Policies = []string{"shape", "patterns"}

// version is that of both policies: 1 had tokens of 24 bits that were equal
// wherever the values were.
const version = 2

// Policy is gate A with a key of its own.
// Methods may be called from several goroutines.
type Policy struct {
	key             [32]byte // never stored: a token cannot be guessed from the file
	configMapValues bool
	patterns        bool // the policy is "patterns"
	counts          [rules]atomic.Uint64
	names           knownNames
	judged          memory
	parts           parts
}

// Standard returns the policy "shape", with a random key of its own.
// configMapValues keeps the values of ConfigMaps.
func Standard(configMapValues bool) *Policy {
	p := &Policy{configMapValues: configMapValues}
	rand.Read(p.key[:]) // never fails
	return p
}

// Patterns returns the policy "patterns", with a random key of its own.
func Patterns(configMapValues bool) *Policy {
	p := Standard(configMapValues)
	p.patterns = true
	return p
}

// Redaction returns what a recording's header says about the policy.
func (p *Policy) Redaction() store.Redaction {
	name := "shape"
	if p.patterns {
		name = "patterns"
	}
	return store.Redaction{Policy: name, Version: version}
}

// Counts returns how many values each rule has replaced so far.
func (p *Policy) Counts() map[string]uint64 {
	counts := map[string]uint64{}
	for i, name := range ruleNames {
		if n := p.counts[i].Load(); n > 0 {
			counts[name] = n
		}
	}
	return counts
}

// Object appends an object of the given resource to dst, without its secrets.
// It fails if the text is not one JSON value; the text must not be kept then.
func (p *Policy) Object(dst []byte, resource schema.GroupVersionResource, text []byte) ([]byte, error) {
	w := newWalk(p, resource.GroupResource(), dst, text)
	w.value(nil)
	w.c.End()
	for r, n := range w.replaced {
		if n > 0 {
			p.counts[r].Add(uint64(n))
		}
	}
	if err := w.c.Err(); err != nil {
		return dst, fmt.Errorf("redact %s: %w", resource.Resource, err)
	}
	return append(w.out, text[w.copied:]...), nil
}

// Text returns s without what looks like a secret. It is for words of the API
// server that are not part of an object, and for remarks of people.
func (p *Policy) Text(s string) string {
	at := place{p: p, kind: placeText}
	out, changed := at.scan([]byte(s), true)
	if !p.patterns {
		j := judge{at: at, names: &p.names}
		out = j.prose(out)
		return string(out)
	}
	if !changed {
		return s
	}
	return string(out)
}

// token returns what stands for a name that gate B replaces, wherever it stands.
func (p *Policy) token(value []byte) []byte { return place{p: p, kind: placeShare}.token(value) }
