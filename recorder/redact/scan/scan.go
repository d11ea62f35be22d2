// Package scan looks for secrets in plaintext, in what is about to be given away.
//
// It is a second pair of eyes: it shares no code with the gates that take secrets
// out, so that what they overlook has another chance to be seen. It knows three
// things: the rules of gitleaks, which are kept for hundreds of services; names
// that say that a value is a secret; and randomness. It looks at a text as it
// stands and at what it is when decoded: base64, hex, URL escapes, JSON in JSON
// and gzip, inside of each other.
package scan

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Leak is something that looks like a secret and stands in plaintext.
type Leak struct {
	What string // what kind of secret it is, or why it is taken for one
	Path string // where in the object; "" in a text
	Line int    // in a text, from 1; 0 in an object
	// Token tells two leaks apart, and says of them whether they are the same
	// secret, during one scan. It does not show the secret.
	Token string
}

// Scanner looks for secrets. It remembers what it has looked at, because objects
// repeat themselves. It may not be used concurrently.
type Scanner struct {
	key   [32]byte
	rules *ruleSet
	seed  maphash.Seed
	seen  map[uint64][]finding // by hash of name and value
}

// mostSeen bounds what is remembered.
const mostSeen = 1 << 19

// finding is a leak before it is known where it stands.
type finding struct{ what, secret string }

// New returns a scanner with a key of its own for the tokens of its leaks.
func New() *Scanner {
	s := &Scanner{rules: rules(), seed: maphash.MakeSeed(), seen: map[uint64][]finding{}}
	rand.Read(s.key[:]) // never fails
	return s
}

// Object returns the leaks in an object, in the order in which they stand there.
// It fails if the text is not one JSON value.
func (s *Scanner) Object(resource schema.GroupVersionResource, text []byte) ([]Leak, error) {
	w := walk{s: s, d: json.NewDecoder(bytes.NewReader(text)), secret: resource.Group == "" && resource.Resource == "secrets"}
	w.d.UseNumber()
	if err := w.value(""); err != nil {
		return nil, fmt.Errorf("scan %s: %w", resource.Resource, err)
	}
	if _, err := w.d.Token(); err != io.EOF {
		return nil, fmt.Errorf("scan %s: text after the value", resource.Resource)
	}
	return w.leaks, nil
}

// Text returns the leaks in a text of any kind, line by line.
func (s *Scanner) Text(text []byte) []Leak {
	var leaks []Leak
	for _, block := range privateKeys().FindAllIndex(text, -1) {
		leaks = append(leaks, Leak{What: "private key", Line: 1 + bytes.Count(text[:block[0]], []byte("\n")), Token: s.token(string(text[block[0]:block[1]]))})
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		for _, f := range s.look("", string(bytes.TrimRight(line, "\r\n")), true) {
			if f.what == "private key" {
				continue // found above, as a whole
			}
			leaks = append(leaks, Leak{What: f.what, Line: number, Token: s.token(f.secret)})
		}
	}
	return leaks
}

// token stands for a secret: part of a keyed hash, and its length.
func (s *Scanner) token(secret string) string {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(secret))
	return fmt.Sprintf("‹r:%x:%d›", mac.Sum(nil)[:8], len(secret))
}

// walk is the way through one object.
type walk struct {
	s      *Scanner
	d      *json.Decoder
	secret bool // it is a Secret
	path   []string
	line   []string // the texts of the list around
	leaks  []Leak
}

// deepest bounds how deep a text may be nested.
const deepest = 10000

// value looks at a value with a name.
func (w *walk) value(name string) error {
	if len(w.path) > deepest {
		return fmt.Errorf("nested too deeply")
	}
	t, err := w.d.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return w.object(name)
		}
		return w.list(name)
	case string:
		if name == "args" || name == "command" {
			w.line = append(w.line, tokens().ReplaceAllString(t, "…"))
		}
		w.text(name, t)
	case json.Number:
		if len(t) > 5 && secretName(name) && !strings.ContainsAny(string(t), ".eE") {
			w.found(finding{"number with the name of a secret", string(t)})
		}
	}
	return err
}

// list looks at the items of a list, and at all of them together if they are the
// words of a command.
func (w *walk) list(name string) error {
	line := w.line
	w.line = nil
	before := len(w.leaks)
	for i := 0; w.d.More(); i++ {
		w.path = append(w.path, fmt.Sprint(i))
		if err := w.value(name); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	if name == "args" || name == "command" {
		known := map[string]bool{}
		for _, l := range w.leaks[before:] {
			known[l.Token] = true
		}
		command(strings.Join(w.line, " "), func(f finding) {
			if token := w.s.token(f.secret); !known[token] {
				known[token] = true
				w.found(f)
			}
		})
	}
	w.line = line
	_, err := w.d.Token()
	return err
}

func (w *walk) object(name string) error {
	// {name, value}: the value has the name that stands beside it. The two may
	// come in any order, so texts wait for the end.
	type waiting struct {
		path []string
		text string
	}
	var said string
	var values []waiting
	for w.d.More() {
		t, err := w.d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		w.path = append(w.path, key)
		switch {
		case key == "managedFields":
			err = w.skip()
		case key == "value":
			var inner json.RawMessage
			if err = w.d.Decode(&inner); err != nil {
				return err
			}
			var text string
			if json.Unmarshal(inner, &text) == nil {
				values = append(values, waiting{append([]string(nil), w.path...), text})
				break
			}
			deeper := walk{s: w.s, d: json.NewDecoder(bytes.NewReader(inner)), secret: w.secret, path: w.path}
			deeper.d.UseNumber()
			err = deeper.value(name)
			w.leaks = append(w.leaks, deeper.leaks...)
		case key == "name" || key == "key":
			var inner json.RawMessage
			if err = w.d.Decode(&inner); err != nil {
				return err
			}
			var text string
			if json.Unmarshal(inner, &text) == nil {
				said = text
				w.text(key, text)
				break
			}
			deeper := walk{s: w.s, d: json.NewDecoder(bytes.NewReader(inner)), secret: w.secret, path: w.path}
			deeper.d.UseNumber()
			err = deeper.value(key)
			w.leaks = append(w.leaks, deeper.leaks...)
		default:
			inherited := key
			if name != "" && secretName(name) && !reference(key) {
				inherited = name
			}
			err = w.value(inherited)
		}
		if err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	for _, v := range values {
		if said == "" {
			said = name
		}
		path := w.path
		w.path = v.path
		w.text(said, v.text)
		w.path = path
	}
	_, err := w.d.Token()
	return err
}

// skip passes over a value.
func (w *walk) skip() error {
	var inner json.RawMessage
	return w.d.Decode(&inner)
}

func (w *walk) found(f finding) {
	w.leaks = append(w.leaks, Leak{What: f.what, Path: "/" + strings.Join(w.path, "/"), Token: w.s.token(f.secret)})
}

// text looks at a string with a name.
func (w *walk) text(name, text string) {
	if len(text) < 4 {
		return
	}
	if w.secret && len(w.path) == 2 && (w.path[0] == "data" || w.path[0] == "stringData") {
		if !isTokenOf(w.path[0], text) {
			w.found(finding{"data of a Secret", text})
		}
		return
	}
	var h maphash.Hash
	h.SetSeed(w.s.seed)
	h.WriteString(name)
	h.WriteByte(0)
	h.WriteString(text)
	sum := h.Sum64()
	all, known := w.s.seen[sum]
	if !known {
		all = w.s.look(name, text, false)
		if len(w.s.seen) >= mostSeen {
			clear(w.s.seen)
		}
		w.s.seen[sum] = all
	}
	for _, f := range all {
		w.found(f)
	}
}
