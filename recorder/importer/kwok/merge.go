package kwok

import (
	"reflect"
	"slices"
	"strings"
)

// merge applies a strategic merge patch to an object of a type, which it changes; a type
// of nil is one that Kubernetes does not know, whose lists are replaced. It does what
// StrategicMergeMapPatch of k8s.io/apimachinery/pkg/util/strategicpatch does for patches
// that CreateTwoWayMergePatch has made. That package would make the program five MiB
// larger: it brings the parser of OpenAPI; the test compares both.
func merge(object, patch map[string]any, t reflect.Type) map[string]any {
	switch patch["$patch"] {
	case "replace":
		delete(patch, "$patch")
		return patch
	case "delete":
		return map[string]any{}
	}
	for key, value := range patch {
		switch name, directive := directiveOf(key); directive {
		case "$patch", "$retainKeys", "$setElementOrder":
		case "$deleteFromPrimitiveList":
			gone, _ := value.([]any)
			list, _ := object[name].([]any)
			object[name] = slices.DeleteFunc(list, func(v any) bool { return slices.ContainsFunc(gone, func(g any) bool { return same(g, v) }) })
		default:
			if value == nil {
				delete(object, key)
				continue
			}
			object[key] = merged(object[key], value, fieldOf(t, key))
		}
	}
	for key, value := range patch {
		if name, directive := directiveOf(key); directive == "$setElementOrder" {
			list, isList := object[name].([]any)
			if order, ok := value.([]any); ok && isList {
				object[name] = inOrder(list, order, fieldOf(t, name).key)
			}
		}
	}
	if keep, ok := patch["$retainKeys"].([]any); ok {
		for key := range object {
			if !slices.ContainsFunc(keep, func(k any) bool { return k == key }) {
				delete(object, key)
			}
		}
	}
	return object
}

// directiveOf takes a key of a patch apart: $setElementOrder/ports is about ports.
func directiveOf(key string) (name, directive string) {
	if !strings.HasPrefix(key, "$") {
		return key, ""
	}
	directive, name, _ = strings.Cut(key, "/")
	return name, directive
}

// merged is what becomes of one member.
func merged(old, value any, f field) any {
	switch value := value.(type) {
	case map[string]any:
		if was, ok := old.(map[string]any); ok && !f.replaced {
			return merge(was, value, f.of)
		}
		return merge(map[string]any{}, value, f.of)
	case []any:
		if was, ok := old.([]any); ok && f.merged {
			return mergeLists(was, value, f)
		}
		if f.merged {
			return mergeLists(nil, value, f)
		}
	}
	return value
}

func mergeLists(list, patch []any, f field) []any {
	for _, p := range patch {
		item, ok := p.(map[string]any)
		if !ok {
			if !slices.ContainsFunc(list, func(v any) bool { return same(v, p) }) {
				list = append(list, p)
			}
			continue
		}
		at := slices.IndexFunc(list, func(v any) bool {
			m, ok := v.(map[string]any)
			return ok && item[f.key] != nil && same(m[f.key], item[f.key])
		})
		switch {
		case item["$patch"] == "replace":
			list = slices.DeleteFunc(slices.Clone(patch), func(v any) bool { m, ok := v.(map[string]any); return ok && m["$patch"] != nil })
			return list
		case item["$patch"] == "delete":
			if at >= 0 {
				list = slices.Delete(list, at, at+1)
			}
		case at >= 0:
			list[at] = merge(list[at].(map[string]any), item, f.of)
		default:
			list = append(list, merge(map[string]any{}, item, f.of))
		}
	}
	return list
}

// inOrder sorts a list as an order says; what it does not name stays behind what it was
// behind.
func inOrder(list, order []any, key string) []any {
	place := func(v any) int {
		return slices.IndexFunc(order, func(o any) bool {
			m, isMap := o.(map[string]any)
			n, isItem := v.(map[string]any)
			return isMap && isItem && same(m[key], n[key]) || !isMap && !isItem && same(o, v)
		})
	}
	last := make([]int, len(list))
	for i, v := range list {
		if last[i] = place(v); last[i] < 0 && i > 0 {
			last[i] = last[i-1]
		}
	}
	index := make([]int, len(list))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return last[a] - last[b] })
	sorted := make([]any, len(list))
	for i, from := range index {
		sorted[i] = list[from]
	}
	return sorted
}

// same compares scalars, and what holds them.
func same(a, b any) bool { return reflect.DeepEqual(a, b) }

// field is how a member of an object is merged, by the tags of its type.
type field struct {
	of       reflect.Type // of a list the type of its items; nil is not known
	key      string       // by which items of a list are told apart
	merged   bool         // a list
	replaced bool         // a map
}

func fieldOf(t reflect.Type, name string) field {
	t = bare(t)
	if t == nil {
		return field{}
	}
	if t.Kind() == reflect.Map {
		return field{of: bare(t.Elem())}
	}
	if t.Kind() != reflect.Struct {
		return field{}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" && (strings.Contains(options, "inline") || f.Anonymous) {
			if inner := fieldOf(f.Type, name); inner != (field{}) {
				return inner
			}
			continue
		}
		if tag != name {
			continue
		}
		strategies := strings.Split(f.Tag.Get("patchStrategy"), ",")
		found := field{of: bare(f.Type), key: f.Tag.Get("patchMergeKey"), replaced: slices.Contains(strategies, "replace")}
		if found.of != nil && found.of.Kind() == reflect.Slice {
			found.of, found.merged = bare(found.of.Elem()), slices.Contains(strategies, "merge")
		}
		return found
	}
	return field{}
}

// bare follows pointers.
func bare(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
