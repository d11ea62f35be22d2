// Package redact takes secrets out of Kubernetes objects while they are JSON,
// before they reach a disk. What it takes out leaves a token behind, so that
// equality and change stay visible: "the password changed at 14:01".
//
// Nothing else is touched: what needs no redaction keeps its bytes. What cannot
// be read as JSON is refused, never passed on.
//
// Gate A, the policy "standard" for recording:
//
//	data of Secrets, and of ConfigMaps unless  a token for each value; names, keys and type stay
//	they are to be kept
//	copies of the object in annotations        a token for the whole
//	(last-applied-configuration and its kind)
//	other annotations                          a token where the name is that of a secret, or the
//	                                           value has the shape of one
//	env, headers, options of volumes and       the same; the name stays
//	StorageClasses
//	args and commands                          the same, for --name=value, --name value and in scripts
//	values, data, helm.parameters, secret* and a token for every string
//	names of secrets in custom resources
//	{name, value} in custom resources          a token where the name is that of a secret
//	managedFields                              stay, without the fields of what is replaced
//	messages and all other strings             a token for what has the shape of a secret
//
// The shapes are in pattern.go, the names in names.go. A token is written
// ‹r:7f3a9c:12›: the beginning of a keyed hash of the value, and its length in
// bytes. Where the object has base64, so is the token.
package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
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
	rules      // how many there are
)

var ruleNames = [rules]string{
	"secretData", "lastApplied", "annotations", "environment", "configMapData", "customResources", "managedFields", "patterns",
}

// Policy is gate A with a key of its own.
// Methods may be called from several goroutines.
type Policy struct {
	key             [32]byte // never stored: a token cannot be guessed from the file
	configMapValues bool
	counts          [rules]atomic.Uint64
	found           func(r rule, start, end int) // if not nil, told of all that is replaced
}

// Standard returns the policy for recording, with a random key of its own.
// configMapValues keeps the values of ConfigMaps.
func Standard(configMapValues bool) *Policy {
	p := &Policy{configMapValues: configMapValues}
	rand.Read(p.key[:]) // never fails
	return p
}

// Redaction returns what a recording's header says about the policy.
func (p *Policy) Redaction() store.Redaction {
	return store.Redaction{Policy: "standard", Version: 1}
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
	if err := w.c.Err(); err != nil {
		return dst, fmt.Errorf("redact %s: %w", resource.Resource, err)
	}
	return append(w.out, text[w.copied:]...), nil
}

// Text returns s without what looks like a secret. It is for words of the API
// server that are not part of an object.
func (p *Policy) Text(s string) string {
	out, changed := p.scan([]byte(s), true)
	if !changed {
		return s
	}
	return string(out)
}

// token returns what stands for a value: part of its keyed hash, and its
// length in bytes. The same value gets the same token wherever it stands.
func (p *Policy) token(value []byte) []byte {
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write(value)
	sum := mac.Sum(nil)
	t := make([]byte, 0, 24)
	t = append(t, tokenOpen...)
	t = hex.AppendEncode(t, sum[:3])
	t = append(t, ':')
	t = strconv.AppendInt(t, int64(len(value)), 10)
	return append(t, tokenClose...)
}

const (
	tokenOpen  = "‹r:"
	tokenClose = "›"
)

// tokenLen returns the length of the token at the beginning of s, 0 if there
// is none.
func tokenLen(s []byte) int {
	if len(s) < len(tokenOpen) || string(s[:len(tokenOpen)]) != tokenOpen {
		return 0
	}
	i := len(tokenOpen)
	for ; i < len(s) && isHex(s[i]); i++ {
	}
	if i != len(tokenOpen)+6 || i == len(s) || s[i] != ':' {
		return 0
	}
	digits := i + 1
	for i++; i < len(s) && isDigit(s[i]); i++ {
	}
	if i == digits || len(s) < i+len(tokenClose) || string(s[i:i+len(tokenClose)]) != tokenClose {
		return 0
	}
	return i + len(tokenClose)
}

// isToken reports whether s is a token and nothing else.
func isToken(s []byte) bool { return len(s) > 0 && tokenLen(s) == len(s) }

// encoded returns the token for a value that is written in base64, written in
// base64 itself: the object stays one that typed clients can read. The hash is
// that of the decoded value, the same as where the value stands in the clear.
func (p *Policy) encoded(value []byte) (token []byte, changed bool) {
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(value)))
	n, err := base64.StdEncoding.Decode(decoded, value)
	if decoded = decoded[:n]; err != nil {
		decoded = value
	}
	if isToken(decoded) {
		return value, false
	}
	return base64.StdEncoding.AppendEncode(nil, p.token(decoded)), true
}
