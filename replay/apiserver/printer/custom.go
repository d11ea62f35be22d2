package printer

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/rawjson"
)

// Definitions is the resource that defines custom resources.
var Definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// Column is a printer column as a CustomResourceDefinition declares it.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Format   string `json:"format"`
	Priority int32  `json:"priority"`
	JSONPath string `json:"jsonPath"`
}

// Custom shows a custom resource by the columns of its definition; by its age
// where it has none or was not recorded.
func Custom(declared []Column) (Printer, error) {
	p := Printer{Columns: columns("Name")}
	var paths []*jsonPath
	for _, c := range declared {
		path, err := parseJSONPath(c.JSONPath)
		if err != nil {
			path = nil // an API server refuses such a definition
		}
		paths = append(paths, path)
		p.Columns = append(p.Columns, metav1.TableColumnDefinition{Name: c.Name, Type: c.Type, Format: c.Format, Priority: c.Priority})
	}
	if len(paths) == 0 {
		path, err := parseJSONPath(".metadata.creationTimestamp")
		if err != nil {
			return p, err
		}
		paths = append(paths, path)
		p.Columns = append(p.Columns, metav1.TableColumnDefinition{Name: "Age", Type: "date"})
	}
	p.Cells = func(object []byte, at time.Time) ([]any, error) {
		cells := []any{rawjson.Text(object, "metadata.name")}
		content := decoded(object)
		for i, path := range paths {
			v, found := path.first(content)
			if !found {
				cells = append(cells, nil)
				continue
			}
			cells = append(cells, customCell(p.Columns[i+1].Type, v, at))
		}
		return cells, nil
	}
	return p, nil
}

// customCell converts a value to the type of its column, nil where that does
// not go (apiextensions-apiserver, pkg/registry/customresource/tableconvertor).
func customCell(kind string, v any, at time.Time) any {
	switch kind {
	case "string":
		return customText(v)
	case "integer":
		switch n := v.(type) {
		case int64:
			return n
		case float64:
			if math.Abs(n) < 1<<63 {
				return int64(n)
			}
		}
	case "number":
		switch n := v.(type) {
		case int64:
			return float64(n)
		case float64:
			return n
		}
	case "boolean":
		if b, ok := v.(bool); ok {
			return b
		}
	case "date":
		s, ok := v.(string)
		if !ok {
			return nil
		}
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return "<invalid>"
		}
		return age(metav1.Time{Time: t}, at)
	}
	return nil
}

func customText(v any) any {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case map[string]any, []any:
		b, err := json.Marshal(v)
		if err != nil {
			return nil
		}
		return string(b)
	}
	return fmt.Sprint(v)
}

// definitionCells reads a CustomResourceDefinition. The columns are those of
// Kubernetes 1.37; older servers show only the name and when it was created.
func definitionCells(object []byte, _ time.Time) ([]any, error) {
	spec := rawjson.Member(object, "spec")
	var versions, short []string
	for v := range rawjson.Elements(rawjson.Member(spec, "versions")) {
		if rawjson.Text(v, "served") != "true" {
			continue
		}
		name := rawjson.Text(v, "name")
		if rawjson.Text(v, "storage") == "true" {
			name += "(storage)"
		}
		versions = append(versions, name)
	}
	slices.Sort(versions)
	for name := range rawjson.Elements(rawjson.Member(rawjson.Member(spec, "names"), "shortNames")) {
		short = append(short, rawjson.Scalar(name))
	}
	established := false
	for c := range rawjson.Elements(rawjson.Member(rawjson.Member(object, "status"), "conditions")) {
		established = established || rawjson.Text(c, "type") == "Established" && rawjson.Text(c, "status") == "True"
	}
	return []any{
		rawjson.Text(object, "metadata.name"), rawjson.Text(spec, "scope"), strings.Join(versions, ","), createdAt(object).UTC().Format(time.RFC3339),
		rawjson.Text(spec, "group"), rawjson.Text(spec, "names.kind"), strings.Join(short, ","), established,
	}, nil
}
