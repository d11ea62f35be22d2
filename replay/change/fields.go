package change

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Field is one difference between two versions of an object. Old is nil where
// there was nothing, New where there is nothing any more; both are values as
// encoding/json decodes them.
type Field struct {
	// Path is where: /spec/template/spec/containers[name=web]/image. Elements
	// of lists are named by what Kubernetes merges them by, by position only
	// where it has no such key.
	Path string `json:"path"`
	Old  any    `json:"old,omitempty"`
	New  any    `json:"new,omitempty"`

	// Steps are the elements of Path.
	Steps []Step `json:"-"`
}

// Step is one element of a path: the name of a field, or what selects an
// element of a list.
type Step struct {
	Field  string
	Keys   []string // fields of the element that select it, with their values
	Value  []any
	Index  int // if there are no keys: the position, or the value in a set
	InSet  bool
	InList bool
}

// listKeys are the fields by which Kubernetes tells the elements of a list
// apart (listMapKey and patchMergeKey in k8s.io/api), by the name of the list;
// the first alternative that all elements have counts. Some lists that
// Kubernetes replaces as a whole have keys here too, because people tell their
// elements apart by them.
var listKeys = map[string][][]string{
	"containers":                {{"name"}},
	"initContainers":            {{"name"}},
	"ephemeralContainers":       {{"name"}},
	"containerStatuses":         {{"name"}},
	"initContainerStatuses":     {{"name"}},
	"env":                       {{"name"}},
	"volumes":                   {{"name"}},
	"imagePullSecrets":          {{"name"}},
	"secrets":                   {{"name"}},
	"ports":                     {{"containerPort", "protocol"}, {"port", "protocol"}, {"containerPort"}, {"port"}, {"name"}},
	"volumeMounts":              {{"mountPath"}},
	"volumeDevices":             {{"devicePath"}},
	"topologySpreadConstraints": {{"topologyKey", "whenUnsatisfiable"}},
	"hostAliases":               {{"ip"}},
	"conditions":                {{"type"}},
	"readinessGates":            {{"conditionType"}},
	"schedulingGates":           {{"name"}},
	"addresses":                 {{"type", "address"}},
	"ownerReferences":           {{"uid"}},
	"taints":                    {{"key", "effect"}},
	"podIPs":                    {{"ip"}},
	"ingress":                   {{"ip"}, {"hostname"}},
	"metrics":                   {{"type"}},
	"parentRefs":                {{"name"}},
	"webhooks":                  {{"name"}},
}

// setLists are lists of plain values in which order has no meaning.
var setLists = []string{"finalizers", "accessModes", "podCIDRs", "clusterIPs", "ipFamilies"}

// Diff returns the differences between two objects, ordered by path. A part
// that is on one side only is one difference, not one for each of its fields.
func Diff(before, after any) []Field {
	var found []Field
	compare(nil, before, after, &found)
	for i := range found {
		found[i].Path = PathString(found[i].Steps)
	}
	slices.SortStableFunc(found, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
	return found
}

func compare(path []Step, before, after any, found *[]Field) {
	switch a := after.(type) {
	case map[string]any:
		if b, ok := before.(map[string]any); ok {
			names := slices.Sorted(maps.Keys(a))
			for name := range b {
				if _, both := a[name]; !both {
					names = append(names, name)
				}
			}
			for _, name := range names {
				compare(append(slices.Clip(path), Step{Field: name}), b[name], a[name], found)
			}
			return
		}
	case []any:
		if b, ok := before.([]any); ok {
			compareLists(path, b, a, found)
			return
		}
	}
	if !reflect.DeepEqual(before, after) && !(empty(before) && empty(after)) {
		*found = append(*found, Field{Old: before, New: after, Steps: path})
	}
}

// empty reports whether a value says nothing: API servers and clients leave out
// empty lists and maps, or write them as null, as they like.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func compareLists(path []Step, before, after []any, found *[]Field) {
	name := ""
	if n := len(path); n > 0 {
		name = path[n-1].Field
	}
	if keys := keysOf(name, before, after); keys != nil {
		old, now := byKeys(keys, before), byKeys(keys, after)
		selectors := slices.Sorted(maps.Keys(now))
		for s := range old {
			if _, both := now[s]; !both {
				selectors = append(selectors, s)
			}
		}
		for _, s := range selectors {
			compare(append(slices.Clip(path), selecting(keys, cmpNil(now[s], old[s]))), old[s], now[s], found)
		}
		return
	}
	if slices.Contains(setLists, name) {
		only := func(in, out []any) []any {
			var rest []any
			for _, v := range in {
				if !slices.ContainsFunc(out, func(w any) bool { return reflect.DeepEqual(v, w) }) {
					rest = append(rest, v)
				}
			}
			return rest
		}
		for _, v := range only(before, after) {
			*found = append(*found, Field{Old: v, Steps: append(slices.Clip(path), Step{InList: true, InSet: true, Value: []any{v}})})
		}
		for _, v := range only(after, before) {
			*found = append(*found, Field{New: v, Steps: append(slices.Clip(path), Step{InList: true, InSet: true, Value: []any{v}})})
		}
		return
	}
	for i := range max(len(before), len(after)) {
		var b, a any
		if i < len(before) {
			b = before[i]
		}
		if i < len(after) {
			a = after[i]
		}
		compare(append(slices.Clip(path), Step{InList: true, Index: i}), b, a, found)
	}
}

func cmpNil(a, b any) any {
	if a != nil {
		return a
	}
	return b
}

// keysOf returns the fields that tell the elements of two lists apart, nil if
// there are none.
func keysOf(name string, lists ...[]any) []string {
	if name == "endpoints" {
		return endpointKeys(lists)
	}
alternatives:
	for _, keys := range listKeys[name] {
		for _, list := range lists {
			if len(byKeys(keys, list)) != len(list) {
				continue alternatives
			}
		}
		return keys
	}
	return nil
}

// endpointKeys: endpoints of a slice are told apart by their first address.
func endpointKeys(lists [][]any) []string {
	keys := []string{"addresses"}
	for _, list := range lists {
		if len(byKeys(keys, list)) != len(list) {
			return nil
		}
	}
	return keys
}

// byKeys maps the elements by their selectors; elements without all keys are
// left out, and of two with the same only one stays.
func byKeys(keys []string, list []any) map[string]any {
	elements := make(map[string]any, len(list))
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		has := true
		for _, k := range keys {
			has = has && m[k] != nil
		}
		if has {
			elements[selecting(keys, m).String()] = e
		}
	}
	return elements
}

func selecting(keys []string, element any) Step {
	m, _ := element.(map[string]any)
	s := Step{InList: true, Keys: keys}
	for _, k := range keys {
		v := m[k]
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		s.Value = append(s.Value, v)
	}
	return s
}

// String prints the step as it stands in a path.
func (s Step) String() string {
	switch {
	case len(s.Keys) > 0:
		pairs := make([]string, len(s.Keys))
		for i, k := range s.Keys {
			pairs[i] = k + "=" + Text(s.Value[i])
		}
		return "[" + strings.Join(pairs, ",") + "]"
	case s.InSet:
		return "[" + Text(s.Value[0]) + "]"
	case s.InList:
		return fmt.Sprintf("[%d]", s.Index)
	case strings.ContainsAny(s.Field, "/[]"):
		return "[" + s.Field + "]"
	}
	return "/" + s.Field
}

func PathString(path []Step) string {
	var b strings.Builder
	for _, s := range path {
		b.WriteString(s.String())
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// FieldPath is the path in the notation of managedFields.
func (f *Field) FieldPath() fieldpath.Path {
	path := make(fieldpath.Path, 0, len(f.Steps))
	for _, s := range f.Steps {
		switch {
		case len(s.Keys) > 0:
			pairs := make([]any, 0, 2*len(s.Keys))
			for i, k := range s.Keys {
				pairs = append(pairs, k, plain(s.Value[i]))
			}
			path = append(path, fieldpath.KeyElementByFields(pairs...))
		case s.InSet:
			path = append(path, fieldpath.ValueElement(value.NewValueInterface(plain(s.Value[0]))))
		case s.InList:
			path = append(path, fieldpath.IndexElement(s.Index))
		default:
			path = append(path, fieldpath.FieldNameElement(s.Field))
		}
	}
	return path
}

// plain turns whole numbers into int64, as managedFields have them.
func plain(v any) any {
	if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	return v
}

// Text prints a value on one line: text as it is, anything else as JSON.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
