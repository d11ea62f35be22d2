package redact

import (
	"bytes"

	"github.com/svcspy/svcspy/store/rawjson"
)

// managedFields walks the list of who wrote which fields. It repeats the names
// of what was concealed, the keys of lists, and the values of lists that are sets.
func (w *walk) managedFields() {
	if !w.custom && w.concealed == pattern {
		w.c.Peek()
		ahead := w.c
		ahead.Skip()
		if text := w.c.Text[w.c.At:ahead.At]; ahead.Err() != nil || w.p.patterns || !w.renamed && !repeatsValues(text) {
			w.c = ahead
			return
		}
	}
	w.fields(nil)
}

// repeatsValues reports whether managedFields of a built-in object may hold more
// than names of fields and keys that are names: sets, and keys that are paths.
func repeatsValues(text []byte) bool {
	return bytes.Contains(text, []byte(`"v:`)) || bytes.Contains(text, []byte(`Path\":`))
}

func (w *walk) fields(parent []byte) {
	switch w.c.Peek() {
	case '{':
		var p part
		if string(parent) == "fieldsV1" {
			around := inFields
			if w.renamed {
				around |= withRenamed
			}
			known := false
			if p, known = w.begin(parent, nil, around); known {
				return
			}
			defer func() { w.end(p) }()
		}
		for w.c.Enter('{'); w.c.More('}'); {
			w.c.Peek()
			start := w.c.At
			key := w.c.Key()
			name, field := bytes.CutPrefix(key, []byte("f:"))
			if field && w.dropsField(name, parent) {
				w.c.Peek()
				start := w.c.At
				w.c.Skip()
				if string(w.c.Text[start:w.c.At]) != "{}" {
					w.replace(fieldNames, start, []byte("{}"))
				}
				continue
			}
			switch {
			case w.p.patterns:
				if value, set := bytes.CutPrefix(key, []byte("v:")); set {
					if out, changed := w.scan(value, false); changed {
						w.renameField(start, append([]byte("v:"), out...))
					}
				}
			case bytes.HasPrefix(key, []byte("v:")), bytes.HasPrefix(key, []byte("k:")):
				w.listField(start, key, parent)
			case field && (w.custom || w.renamed) && !isToken(name) && !isKey(name):
				w.renameField(start, append([]byte("f:"), w.place(placeText).token(name)...))
			}
			w.fields(name)
		}
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			w.fields(parent)
		}
	default:
		w.c.Skip()
	}
}

// renameField puts another name in the place of one that began at start and has
// just been consumed with its colon.
func (w *walk) renameField(start int, name []byte) {
	w.replace(fieldNames, start, append(rawjson.Quote(nil, name), ':'))
}

// listField judges the key of an element, k:{"name":"x"}, or the element of a set,
// v:"x", as the element itself is judged.
func (w *walk) listField(start int, key, parent []byte) {
	inner := walk{
		p: w.p, c: rawjson.Cursor{Text: bytes.Clone(key[2:])}, custom: w.custom, meta: w.meta, at: w.place(placeText), placed: true, concealed: pattern, alone: true,
	}
	switch {
	case key[0] == 'v':
		inner.value(parent)
	case w.custom:
		inner.freeObject(parent, parent)
	default:
		inner.object(parent)
	}
	for r, n := range inner.replaced {
		w.replaced[r] += n
	}
	if inner.c.End(); inner.c.Err() != nil {
		w.renameField(start, append(bytes.Clone(key[:2]), w.place(placeText).token(key[2:])...))
		return
	}
	if inner.copied > 0 {
		w.renameField(start, append(append(bytes.Clone(key[:2]), inner.out...), inner.c.Text[inner.copied:]...))
	}
}

func (w *walk) dropsField(name, parent []byte) bool {
	if w.custom {
		return sensitive(name, parent)
	}
	switch string(name) {
	case "data", "binaryData", "stringData":
		return true
	}
	return false
}
