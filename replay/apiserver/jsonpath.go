package apiserver

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// jsonPath is a path of a printer column: what CustomResourceDefinitions use
// of kubectl's JSONPath. It has fields (.a, ['a.b'], .a\.b), places in lists
// ([0], [-1], [*]) and filters ([?(@.type=="Ready")]). Slices, unions and
// recursion have no single result and are refused.
type jsonPath []jsonStep

// jsonStep goes from one value to those below it. One of its fields is set.
type jsonStep struct {
	field  string
	place  *int // in a list, from its end if negative
	all    bool
	filter *jsonFilter
}

// jsonFilter keeps the elements for which it holds.
type jsonFilter struct {
	path  jsonPath
	op    string // "" asks whether there is a value
	right any    // string, float64 or bool
}

func parseJSONPath(s string) (jsonPath, error) {
	var path jsonPath
	for rest := s; rest != ""; {
		var step jsonStep
		var err error
		switch {
		case rest[0] == '.' && strings.HasPrefix(rest, ".["):
			rest = rest[1:]
			continue
		case rest[0] == '.' && len(rest) > 1:
			step.field, rest = fieldName(rest[1:])
			if step.field == "" {
				return nil, fmt.Errorf("JSONPath %q: no field after a dot", s)
			}
			if step.field == "*" {
				step = jsonStep{all: true}
			}
		case rest[0] == '[':
			if step, rest, err = bracket(rest); err != nil {
				return nil, fmt.Errorf("JSONPath %q: %w", s, err)
			}
		default:
			return nil, fmt.Errorf("JSONPath %q: cannot read %q", s, rest)
		}
		path = append(path, step)
	}
	return path, nil
}

// fieldName reads up to the next unescaped dot or bracket.
func fieldName(s string) (name, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '.', s[i] == '[':
			return b.String(), s[i:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// bracket reads a step in brackets.
func bracket(s string) (step jsonStep, rest string, err error) {
	end := closing(s)
	if end < 0 {
		return step, "", fmt.Errorf("%q is not closed", s)
	}
	inner, rest := strings.TrimSpace(s[1:end]), s[end+1:]
	switch {
	case inner == "*":
		step.all = true
	case strings.HasPrefix(inner, "?(") && strings.HasSuffix(inner, ")"):
		step.filter, err = parseFilter(inner[2 : len(inner)-1])
	case len(inner) > 2 && (inner[0] == '\'' || inner[0] == '"') && inner[len(inner)-1] == inner[0]:
		step.field = inner[1 : len(inner)-1]
	default:
		n, bad := strconv.Atoi(inner)
		if bad != nil {
			return step, "", fmt.Errorf("%q is not a field, a place or a filter", inner)
		}
		step.place = &n
	}
	return step, rest, err
}

// closing returns the place of the bracket that closes the one s begins with,
// -1 if there is none.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func parseFilter(s string) (*jsonFilter, error) {
	f := &jsonFilter{}
	left := s
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if l, r, ok := strings.Cut(s, op); ok {
			left, f.op = l, op
			r = strings.TrimSpace(r)
			if n := len(r); n >= 2 && r[0] == '\'' && r[n-1] == '\'' {
				f.right = r[1 : n-1]
			} else if err := json.Unmarshal([]byte(r), &f.right); err != nil {
				return nil, fmt.Errorf("filter %q: %q is not a value", s, r)
			}
			switch f.right.(type) {
			case []any, map[string]any:
				return nil, fmt.Errorf("filter %q: %q cannot be compared with", s, r)
			}
			break
		}
	}
	left, ok := strings.CutPrefix(strings.TrimSpace(left), "@")
	if !ok {
		return nil, fmt.Errorf("filter %q does not begin with @", s)
	}
	var err error
	f.path, err = parseJSONPath(left)
	return f, err
}

// first returns the first value at the path, nil if there is none. A nil path
// has none.
func (p jsonPath) first(value []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	return p.walk(value)
}

func (p jsonPath) walk(value []byte) []byte {
	if len(p) == 0 || len(value) == 0 {
		return value
	}
	step, rest := p[0], p[1:]
	if step.field != "" {
		return rest.walk(member(value, step.field))
	}
	var all [][]byte
	for element := range elements(value) {
		if step.filter == nil || step.filter.holds(element) {
			all = append(all, element)
		}
	}
	if step.place != nil {
		n := *step.place
		if n < 0 {
			n += len(all)
		}
		if n < 0 || n >= len(all) {
			return nil
		}
		return rest.walk(all[n])
	}
	for _, element := range all {
		if found := rest.walk(element); len(found) > 0 {
			return found
		}
	}
	return nil
}

func (f *jsonFilter) holds(element []byte) bool {
	raw := f.path.walk(element)
	if f.op == "" {
		return len(raw) > 0
	}
	var left any
	if len(raw) == 0 || json.Unmarshal(raw, &left) != nil {
		return false
	}
	switch f.op {
	case "==":
		return left == f.right
	case "!=":
		return left != f.right
	}
	l, lok := left.(float64)
	r, rok := f.right.(float64)
	if !lok || !rok {
		return false
	}
	switch f.op {
	case "<":
		return l < r
	case "<=":
		return l <= r
	case ">":
		return l > r
	}
	return l >= r
}
