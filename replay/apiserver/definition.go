package apiserver

import (
	"encoding/json"

	"github.com/svcspy/svcspy/replay/apiserver/printer"
	"github.com/svcspy/svcspy/store"
)

// definition is what we read of one version in a CustomResourceDefinition.
type definition struct {
	Name             string           `json:"name"`
	Columns          []printer.Column `json:"additionalPrinterColumns"`
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
	e, err := s.object(&resource{gvr: printer.Definitions}, query{name: res.String()}, seq)
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

// printer returns how objects of a resource are shown at a position.
func (s *Server) printer(res *resource, seq store.Seq) (printer.Printer, error) {
	if p, ok := printer.ForResource(res.gvr); ok {
		return p, nil
	}
	if builtIn(res.gvr.Group) {
		return printer.Plain, nil
	}
	if d := s.definition(res, seq); d != nil {
		return printer.Custom(d.Columns)
	}
	return printer.Custom(nil)
}
