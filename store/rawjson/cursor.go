// Package rawjson reads JSON text in place, without decoding it.
//
// The recorder sees every object as the bytes the API server sent and looks at
// a few of its fields only, and the analyzer looks at versions of objects that
// differ in little; decoding each of them costs more than everything else they
// do. A Cursor steps through such bytes, checks them as strictly as
// encoding/json.Valid does, and leaves them where they are.
package rawjson

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// maxDepth is encoding/json's own limit on nesting.
const maxDepth = 10000

// Cursor steps through one JSON text. Errors stick: after the first one every
// method does nothing and Err says what it was, so that a loop needs one check:
//
//	c := rawjson.Cursor{Text: text}
//	for c.Enter('{'); c.More('}'); {
//		switch string(c.Key()) {
//		case "kind":
//			kind = c.String()
//		default:
//			c.Skip()
//		}
//	}
//	if err := c.Err(); err != nil { ... }
//
// Every value must be consumed, by a loop of its own, by String or by Skip.
type Cursor struct {
	Text []byte // read only
	At   int    // index of the next unread byte

	depth int
	fresh bool // just entered: no comma is due
	err   error
}

// Err returns the first error, or nil.
func (c *Cursor) Err() error { return c.err }

func (c *Cursor) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("malformed JSON at byte %d: %s", c.At, what)
		c.At = len(c.Text)
	}
}

// Peek skips white space and returns the next byte without consuming it; 0 at
// the end of the text.
func (c *Cursor) Peek() byte {
	for c.At < len(c.Text) {
		switch b := c.Text[c.At]; b {
		case ' ', '\t', '\n', '\r':
			c.At++
		default:
			return b
		}
	}
	return 0
}

// Enter consumes the bracket that opens an object ('{') or an array ('[').
func (c *Cursor) Enter(open byte) {
	if c.Peek() != open || c.err != nil {
		c.fail("expected " + string(rune(open)))
		return
	}
	if c.depth++; c.depth > maxDepth {
		c.fail("nested too deeply")
		return
	}
	c.At++
	c.fresh = true
}

// More reports whether another member follows; where none does it consumes
// the closing bracket.
func (c *Cursor) More(closing byte) bool {
	if c.err != nil {
		return false
	}
	fresh := c.fresh
	c.fresh = false
	switch b := c.Peek(); {
	case b == closing:
		c.At++
		c.depth--
		return false
	case fresh && b != 0:
		return true
	case b == ',':
		c.At++
		if c.Peek() == closing { // a trailing comma
			c.fail("value missing")
			return false
		}
		return true
	}
	c.fail("expected a comma or " + string(rune(closing)))
	return false
}

// Key consumes a member's name and its colon. The name is a part of Text
// unless it was written with escapes.
func (c *Cursor) Key() []byte {
	quoted, escaped := c.name()
	switch {
	case c.err != nil:
		return nil
	case escaped:
		return Unquote(nil, quoted)
	}
	return quoted[1 : len(quoted)-1]
}

func (c *Cursor) name() (quoted []byte, escaped bool) {
	quoted, escaped = c.Quoted()
	if c.Peek() != ':' {
		c.fail("expected a colon")
		return nil, false
	}
	c.At++
	return quoted, escaped
}

// String consumes a string and returns what it says.
func (c *Cursor) String() string {
	quoted, escaped := c.Quoted()
	if c.err != nil {
		return ""
	}
	if escaped {
		return string(Unquote(nil, quoted))
	}
	return string(quoted[1 : len(quoted)-1])
}

// Quoted consumes a string and returns it as it stands in the text, quotes
// included, and whether there are escapes in it.
func (c *Cursor) Quoted() (quoted []byte, escaped bool) {
	if c.Peek() != '"' || c.err != nil {
		c.fail("expected a string")
		return nil, false
	}
	text, start := c.Text, c.At
	for i := start + 1; ; {
		i = plain(text, i)
		if i >= len(text) {
			break
		}
		switch text[i] {
		case '"':
			c.At = i + 1
			return text[start:c.At], escaped
		case '\\':
			escaped = true
			n := escapeLen(text[i:])
			if n == 0 {
				c.At = i
				c.fail("bad escape in a string")
				return nil, false
			}
			i += n
		default:
			c.At = i
			c.fail("control character in a string")
			return nil, false
		}
	}
	c.At = len(text)
	c.fail("string does not end")
	return nil, false
}

// plain returns the index at or after i of the first byte that cannot stand
// for itself inside a string. It looks at eight bytes at a time: strings are
// most of what a Kubernetes object is.
func plain(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		// The high bit of a byte is set where that byte of w is below 0x20,
		// a quote or a backslash. A borrow may set one too many, but only
		// behind one that is right.
		if found := ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if b := text[i]; b < 0x20 || b == '"' || b == '\\' {
			break
		}
	}
	return i
}

// escapeLen returns the length of the escape at the beginning of s, 0 if there
// is none.
func escapeLen(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(s) < 6 {
			return 0
		}
		for _, b := range s[2:6] {
			if unhex(b) < 0 {
				return 0
			}
		}
		return 6
	}
	return 0
}

// Skip consumes a value of any kind.
func (c *Cursor) Skip() {
	if c.err != nil {
		return
	}
	switch b := c.Peek(); b {
	case '{':
		for c.Enter('{'); c.More('}'); {
			c.name()
			c.Skip()
		}
	case '[':
		for c.Enter('['); c.More(']'); {
			c.Skip()
		}
	case '"':
		c.Quoted()
	case 't':
		c.literal("true")
	case 'f':
		c.literal("false")
	case 'n':
		c.literal("null")
	default:
		c.number()
	}
}

// Extent returns the index behind the object or list that begins at the cursor,
// and consumes nothing. It counts brackets only: what it returns is right if the
// text is well formed, and somewhere in the text otherwise.
func (c *Cursor) Extent() int {
	text, depth := c.Text, 0
	for i := c.At; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + 1
			}
		case '"':
			for i = plain(text, i+1); i < len(text) && text[i] != '"'; i = plain(text, i) {
				if text[i] == '\\' {
					i++
				}
				i++
				if i > len(text) {
					return len(text)
				}
			}
		}
	}
	return len(text)
}

func (c *Cursor) literal(word string) {
	if len(c.Text)-c.At < len(word) || string(c.Text[c.At:c.At+len(word)]) != word {
		c.fail("unknown word")
		return
	}
	c.At += len(word)
}

// number consumes -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (c *Cursor) number() {
	if c.next("-") {
		c.At++
	}
	if c.next("0") {
		c.At++
	} else if !c.digits() {
		c.fail("expected a value")
		return
	}
	if c.next(".") {
		c.At++
		if !c.digits() {
			c.fail("bad number")
			return
		}
	}
	if c.next("eE") {
		c.At++
		if c.next("+-") {
			c.At++
		}
		if !c.digits() {
			c.fail("bad number")
		}
	}
}

// next reports whether the next byte is one of set.
func (c *Cursor) next(set string) bool {
	if c.At >= len(c.Text) {
		return false
	}
	for i := range len(set) {
		if c.Text[c.At] == set[i] {
			return true
		}
	}
	return false
}

func (c *Cursor) digits() bool {
	start := c.At
	for c.At < len(c.Text) && '0' <= c.Text[c.At] && c.Text[c.At] <= '9' {
		c.At++
	}
	return c.At > start
}

// End fails unless nothing but white space is left.
func (c *Cursor) End() {
	if c.Peek(); c.err == nil && c.At < len(c.Text) {
		c.fail("text after the value")
	}
}

// Check returns an error unless text is exactly one JSON value.
func Check(text []byte) error {
	c := Cursor{Text: text}
	c.Skip()
	c.End()
	return c.Err()
}
