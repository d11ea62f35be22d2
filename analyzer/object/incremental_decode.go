package object

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/svcspy/svcspy/store/rawjson"
)

// errUnlike says that a text cannot be decoded by looking at another.
var errUnlike = errors.New("not alike")

// decodeVersion decodes text into v, a pointer to a zero value, as json.Unmarshal
// does. What text has in common with the text of another version, old was decoded
// from, is taken from there instead: of an object that is written again and again
// most stays what it was. v shares memory with old then.
func decodeVersion(text []byte, v any, was []byte, old any) error {
	to := reflect.ValueOf(v).Elem()
	err := errUnlike
	if layoutOf(to.Type()) != nil {
		err = decodePart(to, text, reflect.ValueOf(old).Elem(), was)
	}
	if err != nil { // also for what it leaves in v
		to.SetZero()
		err = json.Unmarshal(text, v)
	}
	return err
}

// decodePart decodes a part of an object that was another in an older version.
func decodePart(to reflect.Value, text []byte, old reflect.Value, was []byte) error {
	l := layoutOf(to.Type())
	if l != nil {
		decode := decodeItems
		if l.fields != nil {
			decode = l.decodeMembers
		}
		if decode(to, text, old, was) == nil {
			return nil
		}
		to.SetZero()
	}
	return json.Unmarshal(text, to.Addr().Interface())
}

func (l *layout) decodeMembers(to reflect.Value, text []byte, old reflect.Value, was []byte) error {
	var room, before [24]part
	members, err := partsOf(room[:0], text, '{', '}')
	if err != nil {
		return err
	}
	olds, err := partsOf(before[:0], was, '{', '}')
	if err != nil {
		return err
	}
	for i, m := range members {
		field, known := l.fields[string(m.key)]
		if !known {
			for name := range l.fields {
				if strings.EqualFold(name, string(m.key)) {
					return errUnlike
				}
			}
			continue
		}
		same := func(o part) bool { return bytes.Equal(o.key, m.key) }
		if slices.ContainsFunc(members[:i], same) {
			return errUnlike
		}
		into := to.FieldByIndex(field)
		at := slices.IndexFunc(olds, same)
		switch {
		case at < 0 || slices.ContainsFunc(olds[at+1:], same):
			err = json.Unmarshal(m.text, into.Addr().Interface())
		case bytes.Equal(m.text, olds[at].text):
			into.Set(old.FieldByIndex(field))
		default:
			err = decodePart(into, m.text, old.FieldByIndex(field), olds[at].text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func decodeItems(to reflect.Value, text []byte, old reflect.Value, was []byte) error {
	var room, before [24]part
	items, err := partsOf(room[:0], text, '[', ']')
	if err != nil {
		return err
	}
	olds, err := partsOf(before[:0], was, '[', ']')
	if err != nil {
		return err
	}
	to.Set(reflect.MakeSlice(to.Type(), len(items), len(items)))
	for i, item := range items {
		into := to.Index(i)
		switch {
		case i >= len(olds) || i >= old.Len():
			err = json.Unmarshal(item.text, into.Addr().Interface())
		case bytes.Equal(item.text, olds[i].text):
			into.Set(old.Index(i))
		default:
			err = decodePart(into, item.text, old.Index(i), olds[i].text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// part is a member of a JSON object, or an item of an array.
type part struct{ key, text []byte }

func partsOf(into []part, text []byte, open, closing byte) ([]part, error) {
	c := rawjson.Cursor{Text: text}
	for c.Enter(open); c.More(closing); {
		var p part
		if open == '{' {
			p.key = c.Key()
		}
		p.text = valueAt(&c)
		into = append(into, p)
	}
	c.End()
	return into, c.Err()
}

// Member returns the text of a member of a JSON object, nil if there is none. It
// does not read on behind it.
func Member(text []byte, key string) []byte {
	c := rawjson.Cursor{Text: text}
	for c.Enter('{'); c.More('}'); {
		if string(c.Key()) != key {
			c.Skip()
		} else if value := valueAt(&c); c.Err() == nil {
			return value
		}
	}
	return nil
}

// members consumes the value that comes next. Of an object it has each consume the
// value of every member.
func members(c *rawjson.Cursor, each func(name []byte)) {
	if c.Peek() != '{' {
		c.Skip()
		return
	}
	for c.Enter('{'); c.More('}'); {
		each(c.Key())
	}
}

// member is members, for one of them.
func member(c *rawjson.Cursor, name string, take func()) {
	members(c, func(found []byte) {
		if string(found) == name {
			take()
		} else {
			c.Skip()
		}
	})
}

// valueAt consumes the value that comes next and returns its text.
func valueAt(c *rawjson.Cursor) []byte {
	c.Peek()
	from := c.At
	c.Skip()
	return c.Text[from:c.At]
}

// SameMembers reports whether two JSON objects have the same members in the same
// order, but for one, of which same tells, and which one may lack.
func SameMembers(a, b []byte, but string, same func(a, b []byte) bool) bool {
	var room, other [24]part
	x, err := partsOf(room[:0], a, '{', '}')
	if err != nil {
		return false
	}
	y, err := partsOf(other[:0], b, '{', '}')
	if err != nil {
		return false
	}
	take := func(parts []part) (rest []part, text []byte) {
		at := slices.IndexFunc(parts, func(p part) bool { return string(p.key) == but })
		if at < 0 {
			return parts, nil
		}
		text = parts[at].text
		return slices.Delete(parts, at, at+1), text
	}
	x, one := take(x)
	y, two := take(y)
	return same(one, two) && slices.EqualFunc(x, y, func(a, b part) bool { return bytes.Equal(a.key, b.key) && bytes.Equal(a.text, b.text) })
}

// layout is how encoding/json reads a type that is decoded in parts: a struct by
// the names of its fields, or a slice, item by item.
type layout struct {
	fields map[string][]int // nil for a slice
}

var layouts sync.Map // reflect.Type -> *layout

// layoutOf returns nil for a type that is decoded as a whole.
func layoutOf(t reflect.Type) *layout {
	if known, ok := layouts.Load(t); ok {
		return known.(*layout)
	}
	var l *layout
	switch {
	case decodesItself(t):
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		l = &layout{}
	case t.Kind() == reflect.Struct:
		l = &layout{fields: map[string][]int{}}
		if !l.add(t, nil) {
			l = nil
		}
	}
	layouts.Store(t, l)
	return l
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func decodesItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(unmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler)
}

// add takes the fields of a struct into the layout; false if which of them a name
// means takes more to tell than looking it up.
func (l *layout) add(t reflect.Type, index []int) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		at := append(slices.Clone(index), i)
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			if f.Type.Kind() != reflect.Struct || !l.add(f.Type, at) {
				return false
			}
			continue
		case slices.Contains(strings.Split(options, ","), "string"):
			return false
		case name == "":
			name = f.Name
		}
		if _, taken := l.fields[name]; taken {
			return false
		}
		l.fields[name] = at
	}
	return true
}
