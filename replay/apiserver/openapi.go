package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// openAPI answers /openapi/v3 and the document of one group version: enough for
// kubectl explain. Recordings hold no OpenAPI, so it describes Kubernetes' own
// resources by the types this program was built with, and custom ones by their
// recorded definitions. There is no /openapi/v2: clients fall back to v3.
func (s *Server) openAPI(w http.ResponseWriter, r *http.Request, st *stage, parts []string) error {
	if len(parts) == 0 || parts[0] != "v3" {
		return failure(http.StatusNotFound, metav1.StatusReasonNotFound,
			"OpenAPI v2 was not recorded: /openapi/v3 has what is known of the resources")
	}
	if accepts := accepted(r); len(accepts) == 0 {
		return failure(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable, "OpenAPI is served as application/json only")
	}
	c, err := st.catalogue()
	if err != nil {
		return err
	}
	if len(parts) == 1 {
		base := strings.TrimSuffix(r.URL.Path, "/openapi/v3") // of the instant
		paths := map[string]any{}
		for _, g := range c.groups {
			for _, v := range g.versions {
				path := strings.TrimPrefix(root(v.GroupVersion), "/")
				// The hash is what clients keep the document by.
				paths[path] = map[string]string{"serverRelativeURL": base + "/openapi/v3/" + path + "?hash=" + s.hash(st)}
			}
		}
		writeJSON(w, http.StatusOK, map[string]any{"paths": paths})
		return nil
	}
	for _, g := range c.groups {
		for i := range g.versions {
			if v := &g.versions[i]; strings.Trim(root(v.GroupVersion), "/") == strings.Join(parts[1:], "/") {
				writeJSON(w, http.StatusOK, s.describeVersion(st, c, v))
				return nil
			}
		}
	}
	return c.unknown(query{})
}

// hash names everything the OpenAPI documents of a stage depend on.
func (s *Server) hash(st *stage) string {
	return fmt.Sprintf("%s-%d", s.timeline.Info().ID, st.began.seq)
}

func root(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "/api/" + gv.Version
	}
	return "/apis/" + gv.Group + "/" + gv.Version
}

// schemas collects the definitions of a document by name.
type schemas map[string]any

// describeVersion returns the OpenAPI document of a group version.
func (s *Server) describeVersion(st *stage, c *catalogue, v *groupVersion) any {
	defined, paths := schemas{}, map[string]any{}
	seq := st.moment().seq
	for _, r := range v.resources {
		gvk := v.WithKind(r.Kind)
		names := map[string]string{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind}
		var name string
		if t := typeOf(gvk); t != nil {
			name = defined.add(t)
			if d, ok := defined[name].(map[string]any); ok {
				d["x-kubernetes-group-version-kind"] = []any{names}
			}
		} else if name = s.defineCustom(defined, r, gvk, seq); name == "" {
			continue
		}
		path := root(v.GroupVersion)
		if r.Namespaced {
			path += "/namespaces/{namespace}"
		}
		paths[path+"/"+r.Name] = map[string]any{
			"get": map[string]any{
				"description":                     "list objects of kind " + r.Kind,
				"x-kubernetes-action":             "list",
				"x-kubernetes-group-version-kind": names,
			},
			"patch": map[string]any{
				// kubectl asks here whether it has to validate on its own and
				// whether a dry run is safe. It is: the answer is always 405,
				// which says more than "validation failed".
				"description":                     "refused: a recording can only be read",
				"parameters":                      []any{queryParameter("dryRun"), queryParameter("fieldValidation")},
				"x-kubernetes-action":             "patch",
				"x-kubernetes-group-version-kind": names,
			},
		}
	}
	return map[string]any{
		"openapi":    "3.0.0",
		"info":       map[string]string{"title": "svcspy recording", "version": c.version},
		"paths":      paths,
		"components": map[string]any{"schemas": defined},
	}
}

func queryParameter(name string) any {
	return map[string]any{"name": name, "in": "query", "schema": map[string]string{"type": "string"}}
}

// defineCustom adds the recorded definition of a custom resource; "" if there
// is none.
func (s *Server) defineCustom(defined schemas, r *resource, gvk schema.GroupVersionKind, seq store.Seq) string {
	d := s.definition(r, seq)
	var document map[string]any
	if d == nil || json.Unmarshal(d.Schema.OpenAPI, &document) != nil || document == nil {
		return ""
	}
	document["x-kubernetes-group-version-kind"] = []any{map[string]string{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind}}
	if properties, ok := document["properties"].(map[string]any); ok {
		properties["metadata"] = reference(defined.add(reflect.TypeFor[metav1.ObjectMeta]()), "")
	}
	name := gvk.Group + "." + gvk.Version + "." + gvk.Kind
	defined[name] = document
	return name
}

// add defines a struct type and everything it refers to, and returns its name.
func (d schemas) add(t reflect.Type) string {
	name := strings.NewReplacer("/", ".", "~", ".").Replace(t.PkgPath()) + "." + t.Name()
	if _, ok := d[name]; ok {
		return name
	}
	properties, required := map[string]any{}, []string{}
	document := map[string]any{"type": "object", "properties": properties}
	d[name] = document // before its fields, which may refer to it
	docs := documentation(t)
	if docs[""] != "" {
		document["description"] = docs[""]
	}
	d.fields(t, docs, properties, &required)
	if len(required) > 0 {
		document["required"] = required
	}
	return name
}

// fields defines the fields of a struct as JSON has them, those of inlined
// structs too.
func (d schemas) fields(t reflect.Type, docs map[string]string, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			inlined := f.Type
			if inlined.Kind() == reflect.Pointer {
				inlined = inlined.Elem()
			}
			d.fields(inlined, documentation(inlined), properties, required)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		properties[name] = d.of(f.Type, docs[name])
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") && f.Type.Kind() != reflect.Pointer && f.Type.Kind() != reflect.Slice {
			*required = append(*required, name)
		}
	}
}

// openAPIType is implemented by types whose JSON is not that of their fields.
type openAPIType interface{ OpenAPISchemaType() []string }

// of returns the schema of a value of the type.
func (d schemas) of(t reflect.Type, description string) any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	document := map[string]any{}
	if description != "" {
		document["description"] = description
	}
	if own, ok := reflect.New(t).Interface().(openAPIType); ok {
		if kinds := own.OpenAPISchemaType(); len(kinds) > 0 {
			document["type"] = kinds[0]
		}
		return document
	}
	switch t.Kind() {
	case reflect.Bool:
		document["type"] = "boolean"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		document["type"] = "integer"
	case reflect.Float32, reflect.Float64:
		document["type"] = "number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			document["type"] = "string"
			break
		}
		document["type"], document["items"] = "array", d.of(t.Elem(), "")
	case reflect.Map:
		document["type"], document["additionalProperties"] = "object", d.of(t.Elem(), "")
	case reflect.Struct:
		return reference(d.add(t), description)
	default:
		document["type"] = "string"
	}
	return document
}

// reference refers to a definition. allOf carries a description of its own,
// which a bare $ref cannot.
func reference(name, description string) any {
	ref := map[string]any{"$ref": "#/components/schemas/" + name}
	if description == "" {
		return ref
	}
	return map[string]any{"description": description, "allOf": []any{ref}}
}

// documentation returns what the type says about its fields by JSON name, and
// about itself by "".
func documentation(t reflect.Type) map[string]string {
	if t.Kind() != reflect.Struct {
		return nil
	}
	if documented, ok := reflect.New(t).Interface().(interface{ SwaggerDoc() map[string]string }); ok {
		return documented.SwaggerDoc()
	}
	return nil
}
