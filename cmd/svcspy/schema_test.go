package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/files"
	"github.com/svcspy/svcspy/cmd/svcspy/record"
	"github.com/svcspy/svcspy/replay/postmortem"
	"github.com/svcspy/svcspy/replay/report"
)

// documents are all kinds of documents that svcspy prints, each with the type
// it is made from.
var documents = map[string]any{
	"AssertResult":      assertResult{},
	"BucketList":        files.BucketList{},
	"Change":            report.ChangeLine{},
	"ChangeList":        report.ChangeList{},
	"Diff":              report.DiffEnvelope{},
	"Error":             cli.ErrorDocument{},
	"Event":             report.EventLine{},
	"EventList":         report.EventList{},
	"Fact":              report.FactLine{},
	"FactList":          report.FactList{},
	"Explanation":       report.ExplanationEnvelope{},
	"ImportExplanation": importExplanation{},
	"MarkList":          report.MarkList{},
	"OutageList":        report.OutageList{},
	"Postmortem":        postmortem.Postmortem{},
	"RecordPlan":        record.Plan{},
	"RecordingInfo":     report.RecordingInfo{},
	"Report":            report.Envelope{},
	"ReportList":        report.ListEnvelope{},
	"ScanResult":        files.ScanResult{},
	"Timeline":          report.TimelineEnvelope{},
	"TimelineList":      report.TimelineList{},
	"VerifyResult":      files.VerifyResult{},
}

var schemaDir = filepath.Join("..", "..", "fixtures", "schema")

// TestSchemas compares the schemas with the types they describe. The words in
// them are the comments of the types.
func TestSchemas(t *testing.T) {
	source := readSource(t)
	for kind, document := range documents {
		s := &schemas{source: source, defs: map[string]any{}}
		root := s.object(reflect.TypeOf(document))
		properties := root["properties"].(map[string]any)
		properties["apiVersion"] = map[string]any{"const": report.APIVersion}
		properties["kind"] = map[string]any{"const": kind}
		root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		root["title"] = kind
		if len(s.defs) > 0 {
			root["$defs"] = s.defs
		}
		var got bytes.Buffer
		enc := json.NewEncoder(&got)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(root); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(schemaDir, kind+".json")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: go test ./cmd/svcspy -run TestSchemas -update", err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("schema of %s (-file +types)\n%s\nif only something was added: go test ./cmd/svcspy -run TestSchemas -update", kind, diff)
		}
	}
	files, err := filepath.Glob(filepath.Join(schemaDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, known := documents[strings.TrimSuffix(filepath.Base(f), ".json")]; !known {
			t.Errorf("%s describes no document", f)
		}
	}
}

// schemas describes types.
type schemas struct {
	source source
	defs   map[string]any
}

// object describes a struct. What may be left out is not required; what else
// there may be is not said, since fields are added within a version.
func (s *schemas) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	required := []string{}
	s.fields(t, properties, &required)
	o := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		slices.Sort(required)
		o["required"] = required
	}
	if words := s.source.words[typeName(t)]; words != "" {
		o["description"] = words
	}
	return o
}

func (s *schemas) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "":
			s.fields(f.Type, properties, required)
			continue
		case !f.IsExported(), tag == "-":
			continue
		}
		p := s.of(f.Type)
		if words := s.source.words[typeName(t)+"."+f.Name]; words != "" {
			p["description"] = words
		}
		properties[tag] = p
		if !strings.Contains(options, "omit") {
			*required = append(*required, tag)
		}
	}
}

// of describes a type where it is used.
func (s *schemas) of(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return map[string]any{}
	case t == reflect.TypeFor[[]byte]():
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.String:
		values := s.source.values[typeName(t)]
		if len(values) == 0 {
			return map[string]any{"type": "string"}
		}
		return map[string]any{"type": "string", "enum": values}
	case reflect.Struct:
		name := typeName(t)
		if s.defs[name] == nil {
			s.defs[name] = true // a type may contain itself
			s.defs[name] = s.object(t)
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	panic("no schema for " + t.String())
}

func typeName(t reflect.Type) string {
	return filepath.Base(t.PkgPath()) + "." + t.Name()
}

// source is what the sources say about types: comments of types and fields as
// words["report.Gap.Reason"], and the constants of types that are texts.
type source struct {
	words  map[string]string
	values map[string][]string
}

func readSource(t *testing.T) source {
	t.Helper()
	s := source{map[string]string{}, map[string][]string{}}
	for _, p := range packages(t) {
		if !slices.ContainsFunc([]string{"/store", "/event", "/analyzer", "/replay", "/change", "/cause", "/past", "/verdict", "/story", "/when", "/report", "/postmortem", "/expect", "/cmd/svcspy/record", "/cmd/svcspy/files", "/cmd/svcspy"}, func(end string) bool { return strings.HasSuffix(p.ImportPath, end) }) {
			continue
		}
		files := token.NewFileSet()
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, f)
		}
		pkg := filepath.Base(p.ImportPath)
		s.read(pkg, parsed)
	}
	return s
}

func (s source) read(pkg string, files []*ast.File) {
	for _, f := range files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					s.words[pkg+"."+spec.Name.Name] = oneLine(cmpOr(spec.Doc, g.Doc).Text())
					if fields, ok := spec.Type.(*ast.StructType); ok {
						for _, field := range fields.Fields.List {
							for _, name := range field.Names {
								s.words[pkg+"."+spec.Name.Name+"."+name.Name] = oneLine(field.Doc.Text() + field.Comment.Text())
							}
						}
					}
				case *ast.ValueSpec:
					kind, ok := spec.Type.(*ast.Ident)
					if g.Tok != token.CONST || !ok || len(spec.Values) != 1 {
						continue
					}
					if text, ok := spec.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
						name := pkg + "." + kind.Name
						s.values[name] = append(s.values[name], constant.StringVal(constant.MakeFromLiteral(text.Value, token.STRING, 0)))
					}
				}
			}
		}
	}
}

func cmpOr(a, b *ast.CommentGroup) *ast.CommentGroup {
	if a != nil {
		return a
	}
	return b
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
