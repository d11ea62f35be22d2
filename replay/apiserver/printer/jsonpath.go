package printer

import (
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/util/jsonpath"
)

// jsonPath is the path of a printer column, evaluated as an API server does. It
// keeps state while it is evaluated: it is not safe for concurrent use.
type jsonPath struct{ path *jsonpath.JSONPath }

// parseJSONPath reads a path as CustomResourceDefinitions write it, without braces.
func parseJSONPath(text string) (*jsonPath, error) {
	p := jsonpath.New("column").AllowMissingKeys(true)
	if err := p.Parse("{" + text + "}"); err != nil {
		return nil, fmt.Errorf("JSONPath %q: %w", text, err)
	}
	return &jsonPath{p}, nil
}

// first returns the first value at the path in a decoded object; ok is false if
// there is none.
func (p *jsonPath) first(object any) (value any, ok bool) {
	if p == nil {
		return nil, false
	}
	results, err := p.path.FindResults(object)
	if err != nil || len(results) == 0 || len(results[0]) == 0 || !results[0][0].IsValid() || !results[0][0].CanInterface() {
		return nil, false
	}
	return results[0][0].Interface(), true
}

// decoded is an object as paths are evaluated on: whole numbers are int64. What
// cannot be decoded has no values.
func decoded(object []byte) any {
	var v any
	if utiljson.Unmarshal(object, &v) != nil {
		return nil
	}
	return v
}
