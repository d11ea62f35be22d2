package apiserver

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// definitions is the resource that defines custom resources.
var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// definition is what we read of one version in a CustomResourceDefinition.
type definition struct {
	Name    string `json:"name"`
	Columns []struct {
		Name     string `json:"name"`
		Type     string `json:"type"`
		Format   string `json:"format"`
		Priority int32  `json:"priority"`
		JSONPath string `json:"jsonPath"`
	} `json:"additionalPrinterColumns"`
	SelectableFields []struct {
		JSONPath string `json:"jsonPath"`
	} `json:"selectableFields"`
	Schema struct {
		OpenAPI json.RawMessage `json:"openAPIV3Schema"`
	} `json:"schema"`
}

// definition returns how a custom resource was defined at a position, nil if
// its definition was not recorded.
func (s *Server) definition(res *resource, seq store.Seq) *definition {
	e, err := s.object(&resource{gvr: definitions}, query{name: res.String()}, seq)
	if err != nil || e == nil {
		return nil
	}
	var spec struct {
		Spec struct {
			Versions []definition `json:"versions"`
		} `json:"spec"`
	}
	if json.Unmarshal(e.Object, &spec) != nil {
		return nil
	}
	for i := range spec.Spec.Versions {
		if spec.Spec.Versions[i].Name == res.gvr.Version {
			return &spec.Spec.Versions[i]
		}
	}
	return nil
}

// selectableFields returns the JSON paths a custom resource can be selected by;
// nil for Kubernetes' own resources.
func (s *Server) selectableFields(res *resource, seq store.Seq) []string {
	if builtIn(res.gvr.Group) {
		return nil
	}
	paths := []string{}
	if d := s.definition(res, seq); d != nil {
		for _, f := range d.SelectableFields {
			paths = append(paths, f.JSONPath)
		}
	}
	return paths
}

// customPrinter shows a custom resource by the columns of its definition; by
// its age where it has none or was not recorded.
func (s *Server) customPrinter(res *resource, seq store.Seq) (printer, error) {
	p := printer{columns: columns("Name")}
	var paths []*jsonPath
	if d := s.definition(res, seq); d != nil {
		for _, c := range d.Columns {
			path, err := parseJSONPath(c.JSONPath)
			if err != nil {
				path = nil // an API server refuses such a definition
			}
			paths = append(paths, path)
			p.columns = append(p.columns, metav1.TableColumnDefinition{Name: c.Name, Type: c.Type, Format: c.Format, Priority: c.Priority})
		}
	}
	if len(paths) == 0 {
		path, err := parseJSONPath(".metadata.creationTimestamp")
		if err != nil {
			return p, err
		}
		paths = append(paths, path)
		p.columns = append(p.columns, metav1.TableColumnDefinition{Name: "Age", Type: "date"})
	}
	p.cells = func(object []byte, at time.Time) ([]any, error) {
		cells := []any{text(object, "metadata.name")}
		content := decoded(object)
		for i, path := range paths {
			v, found := path.first(content)
			if !found {
				cells = append(cells, nil)
				continue
			}
			cells = append(cells, customCell(p.columns[i+1].Type, v, at))
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
	spec := member(object, "spec")
	var versions, short []string
	for v := range elements(member(spec, "versions")) {
		if text(v, "served") != "true" {
			continue
		}
		name := text(v, "name")
		if text(v, "storage") == "true" {
			name += "(storage)"
		}
		versions = append(versions, name)
	}
	slices.Sort(versions)
	for name := range elements(member(member(spec, "names"), "shortNames")) {
		short = append(short, asText(name))
	}
	established := false
	for c := range elements(member(member(object, "status"), "conditions")) {
		established = established || text(c, "type") == "Established" && text(c, "status") == "True"
	}
	return []any{
		text(object, "metadata.name"), text(spec, "scope"), strings.Join(versions, ","), createdAt(object).UTC().Format(time.RFC3339),
		text(spec, "group"), text(spec, "names.kind"), strings.Join(short, ","), established,
	}, nil
}
