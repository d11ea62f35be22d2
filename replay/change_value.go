package replay

import (
	"encoding/json"
	"slices"

	"github.com/svcspy/svcspy/analyzer"
)

// set puts a value at a path, nil to remove what is there, and returns the
// root. The objects on the way are the caller's own.
func set(at any, path []step, v any) any {
	if len(path) == 0 {
		return v
	}
	here := path[0]
	if !here.list {
		m, ok := at.(map[string]any)
		if !ok {
			m = map[string]any{}
		}
		if below := set(m[here.field], path[1:], v); below == nil {
			delete(m, here.field)
		} else {
			m[here.field] = below
		}
		return m
	}
	list, _ := at.([]any)
	n := here.find(list)
	if n < 0 {
		if below := set(nil, path[1:], v); below != nil {
			list = append(list, below)
		}
	} else if below := set(list[n], path[1:], v); below == nil {
		list = slices.Delete(list, n, n+1)
	} else {
		list[n] = below
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// find returns the place of the element that the step selects, -1 if there is
// none.
func (s step) find(list []any) int {
	if len(s.keys) == 0 && !s.set {
		if s.index < len(list) {
			return s.index
		}
		return -1
	}
	return slices.IndexFunc(list, func(e any) bool {
		if len(s.keys) > 0 {
			return selecting(s.keys, e).String() == s.String()
		}
		return scalar(e) == scalar(s.value[0])
	})
}

// valueAt returns the value at a path, nil if there is none.
func valueAt(at any, path []step) any {
	for _, s := range path {
		if s.list {
			list, _ := at.([]any)
			n := s.find(list)
			if n < 0 {
				return nil
			}
			at = list[n]
			continue
		}
		m, _ := at.(map[string]any)
		at = m[s.field]
	}
	return at
}

// patched is the object with the fields as they were before.
func patched(o *analyzer.Object, fields []Field) *analyzer.Object {
	root := decode(o)
	for i := range fields {
		root = set(root, fields[i].steps, fields[i].Old)
	}
	data, err := json.Marshal(root)
	if err != nil {
		return o
	}
	e := o.Event
	e.Object = data
	return analyzer.NewObject(e)
}
