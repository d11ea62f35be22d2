package redact

import (
	"bytes"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/rawjson"
)

// Leak is something that looks like a secret and stands in the clear.
type Leak struct {
	What string // what kind of secret it is, or why it is taken for one
	Path string // where in the object; "" in a text
	Line int    // in a text, from 1; 0 in an object
	// Token tells two leaks apart, and says of them whether they are the same
	// secret, during one scan.
	Token string
}

// Scanner looks for what gate A would have replaced: what passes it once has
// nothing in it that it finds. It may not be used concurrently.
type Scanner struct {
	policy *Policy
	text   []byte
	leaks  []Leak
}

// NewScanner returns a scanner with a key of its own. Values of ConfigMaps, which
// may be recorded on purpose, are leaks only if they look like secrets.
func NewScanner() *Scanner {
	s := &Scanner{policy: Patterns(true)}
	s.policy.found = s.replaced
	return s
}

// Object returns the leaks in an object, in the order in which they stand there.
// It fails if the text is not one JSON value.
func (s *Scanner) Object(resource schema.GroupVersionResource, text []byte) ([]Leak, error) {
	s.text, s.leaks = text, nil
	if _, err := s.policy.Object(nil, resource, text); err != nil {
		return nil, err
	}
	return s.leaks, nil
}

// replaced is told what gate A replaces in the text.
func (s *Scanner) replaced(r rule, start, end int) {
	value := s.text[start:end]
	if r == fieldNames { // managedFields repeat names, and values of sets
		if !bytes.HasPrefix(value, []byte(`"v:`)) {
			return
		}
		value = bytes.TrimSuffix(value, []byte(":"))
	}
	if len(value) > 1 && value[0] == '"' {
		value = rawjson.Unquote(nil, value)
	}
	what := ""
	suspects(value, true, func(kind string, from, to int) {
		if what == "" {
			what = kind
		}
	})
	if what == "" {
		what = ruleMeans[r]
	}
	s.leaks = append(s.leaks, Leak{What: what, Path: pathAt(s.text, start), Token: string(s.policy.token(value))})
}

// ruleMeans says why gate A replaces what has no shape of its own.
var ruleMeans = [rules]string{
	"data of a Secret", "copy of the object as it was applied", "annotation with the name of a secret", "setting with the name of a secret",
	"data of a ConfigMap", "data of a custom resource", "name in managedFields", "secret", "word of a message",
}

// Text returns the leaks in a text of any kind, line by line.
func (s *Scanner) Text(text []byte) []Leak {
	var leaks []Leak
	line, counted := 1, 0
	suspects(text, true, func(what string, start, end int) {
		if what == "random string" && public(text, start) || count(text[start:end]) {
			return
		}
		line += bytes.Count(text[counted:start], []byte("\n"))
		counted = start
		leaks = append(leaks, Leak{What: what, Line: line, Token: string(s.policy.token(text[start:end]))})
	})
	return leaks
}

// count reports whether a value is a small number, as in "tokens": 3.
func count(value []byte) bool {
	return len(value) < 6 && !bytes.ContainsFunc(value, func(r rune) bool { return r < '0' || r > '9' })
}

// public reports whether what begins at a place is made to be seen although it
// looks as if made by chance: a digest in the policy of a page, where + may be
// written &#43;, or a picture.
func public(text []byte, start int) bool {
	from := start
	for from > 0 && start-from < longestDigest && (isAlnum(text[from-1]) || bytes.IndexByte([]byte("+/=_-&#;:,"), text[from-1]) >= 0) {
		from--
	}
	run := text[from:min(len(text), start+len("sha512-"))]
	for _, prefix := range []string{"sha256-", "sha384-", "sha512-", "sha256:", ";base64,"} {
		if bytes.Contains(run, []byte(prefix)) {
			return true
		}
	}
	return false
}

// longestDigest is how far back the name of a digest may stand.
const longestDigest = 160

// pathAt returns the path of the value, or member, at an offset in a JSON text.
func pathAt(text []byte, offset int) string {
	var path []string
	c := rawjson.Cursor{Text: text}
	var down func() bool
	down = func() bool {
		switch c.Peek() {
		case '{':
			for c.Enter('{'); c.More('}'); {
				c.Peek()
				start := c.At
				key := string(c.Key())
				c.Peek()
				if start <= offset && offset < c.At { // the name itself
					return true
				}
				path = append(path, key)
				if offset == c.At || inside(&c, offset) && down() {
					return true
				}
				path = path[:len(path)-1]
			}
		case '[':
			for i := 0; ; i++ {
				if i == 0 {
					c.Enter('[')
				}
				if !c.More(']') {
					break
				}
				c.Peek()
				path = append(path, fmt.Sprint(i))
				if offset == c.At || inside(&c, offset) && down() {
					return true
				}
				path = path[:len(path)-1]
			}
		default:
			c.Skip()
		}
		return false
	}
	down()
	return "/" + strings.Join(path, "/")
}

// inside reports whether the offset lies in the next value; if not, that is
// consumed.
func inside(c *rawjson.Cursor, offset int) bool {
	ahead := *c
	ahead.Skip()
	if offset < ahead.At {
		return true
	}
	*c = ahead
	return false
}
