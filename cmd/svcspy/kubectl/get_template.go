package kubectl

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"text/template"

	"k8s.io/client-go/util/jsonpath"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/report"
)

// templated are the formats of kubectl that take an argument: -o NAME=TEXT.
var templated = []string{"jsonpath", "go-template", "custom-columns"}

// templateOf splits -o jsonpath=TEXT.
func templateOf(output string) (name, text string, ok bool) {
	name, text, ok = strings.Cut(output, "=")
	for _, known := range templated {
		if ok && name == known {
			return name, text, true
		}
	}
	return "", "", false
}

// templatePrinter returns what prints an object or a list as a template says. A
// template that cannot be read is a mistake of whoever typed it.
func templatePrinter(name, text string, headers bool) (func(w io.Writer, body []byte) error, error) {
	switch name {
	case "go-template":
		t, err := template.New("output").Option("missingkey=default").Funcs(template.FuncMap{"base64decode": func(s string) (string, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			return string(b), err
		}}).Parse(text)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("-o go-template: %w", err), `for example -o go-template='{{range .items}}{{.metadata.name}}{{"\n"}}{{end}}'`)
		}
		return func(w io.Writer, body []byte) error { return execute(w, body, t.Execute) }, nil
	case "custom-columns":
		return columnsPrinter(text, headers)
	}
	p, err := pathOf(text)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("-o jsonpath: %w", err), "for example -o jsonpath='{.items[*].metadata.name}'")
	}
	return func(w io.Writer, body []byte) error { return execute(w, body, p.Execute) }, nil
}

// execute prints a document with a template, all or nothing. Text from the cluster
// is made safe for a terminal, line by line.
func execute(w io.Writer, body []byte, with func(io.Writer, any) error) error {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := with(&b, value); err != nil {
		return err
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = report.Clean(lines[i])
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n"))
	return err
}

// pathOf reads a JSONPath as kubectl does: braces and the first dot may be left
// out.
func pathOf(text string) (*jsonpath.JSONPath, error) {
	p := jsonpath.New("output").AllowMissingKeys(true)
	if !strings.Contains(text, "{") {
		text = "{." + strings.TrimPrefix(text, ".") + "}"
	}
	return p, p.Parse(text)
}

var column = regexp.MustCompile(`^([^:]+):(.+)$`)

// columnsPrinter prints a row for each object: HEADER:PATH,HEADER:PATH.
func columnsPrinter(text string, headers bool) (func(w io.Writer, body []byte) error, error) {
	const example = "for example -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName"
	var titles []string
	var paths []*jsonpath.JSONPath
	for part := range strings.SplitSeq(text, ",") {
		found := column.FindStringSubmatch(part)
		if found == nil {
			return nil, cli.Usage(fmt.Errorf("-o custom-columns: %q is not HEADER:PATH", part), example)
		}
		p, err := pathOf(found[2])
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("-o custom-columns: %w", err), example)
		}
		titles, paths = append(titles, found[1]), append(paths, p)
	}
	return func(w io.Writer, body []byte) error {
		objects, err := objectsIn(body)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(w, 6, 4, 3, ' ', 0)
		line := func(cells []string) {
			// What cannot be written is an error of the Flush.
			_, _ = fmt.Fprintln(table, strings.Join(cells, "\t"))
		}
		if headers {
			line(titles)
		}
		for _, object := range objects {
			var value any
			if err := json.Unmarshal(object, &value); err != nil {
				return err
			}
			var cells []string
			for _, p := range paths {
				found, err := p.FindResults(value)
				var texts []string
				if err == nil {
					for _, list := range found {
						for _, v := range list {
							texts = append(texts, report.Clean(fmt.Sprint(v.Interface())))
						}
					}
				}
				if len(texts) == 0 {
					texts = []string{"<none>"}
				}
				cells = append(cells, strings.Join(texts, ","))
			}
			line(cells)
		}
		return table.Flush()
	}, nil
}
