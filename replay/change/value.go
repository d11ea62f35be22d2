package change

import (
	"encoding/json"
	"slices"

	"github.com/svcspy/svcspy/analyzer"
)

// set puts a value at a path, nil to remove what is there, and returns the
// root. The objects on the way are the caller's own.
func set(at any, path []Step, v any) any {
	if len(path) == 0 {
		return v
	}
	here := path[0]
	if !here.InList {
		m, ok := at.(map[string]any)
		if !ok {
			m = map[string]any{}
		}
		if below := set(m[here.Field], path[1:], v); below == nil {
			delete(m, here.Field)
		} else {
			m[here.Field] = below
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
func (s Step) find(list []any) int {
	if len(s.Keys) == 0 && !s.InSet {
		if s.Index < len(list) {
			return s.Index
		}
		return -1
	}
	return slices.IndexFunc(list, func(e any) bool {
		if len(s.Keys) > 0 {
			return selecting(s.Keys, e).String() == s.String()
		}
		return Text(e) == Text(s.Value[0])
	})
}

// ValueAt returns the value at a path, nil if there is none.
func ValueAt(at any, path []Step) any {
	for _, s := range path {
		if s.InList {
			list, _ := at.([]any)
			n := s.find(list)
			if n < 0 {
				return nil
			}
			at = list[n]
			continue
		}
		m, _ := at.(map[string]any)
		at = m[s.Field]
	}
	return at
}

// WithoutFields is the object with the fields as they were before.
func WithoutFields(o *analyzer.Object, fields []Field) *analyzer.Object {
	root := Decode(o)
	for i := range fields {
		root = set(root, fields[i].Steps, fields[i].Old)
	}
	data, err := json.Marshal(root)
	if err != nil {
		return o
	}
	e := o.Event
	e.Object = data
	return analyzer.NewObjectAhead(e, o.Ahead())
}
