package kubectl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/replay/report"
)

// print prints answers of the API server as kubectl does.
func (o *getOptions) print(all []wanted) error {
	switch o.Output {
	case "text", "wide":
		return o.tables(all)
	case "name":
		return o.names(all)
	}
	body := []byte(nil)
	if len(all) == 1 && (all[0].one || o.Output != "template") {
		body = all[0].body
	} else {
		list := map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}}
		items := []json.RawMessage{}
		for _, w := range all {
			objects, err := objectsIn(w.body)
			if err != nil {
				return err
			}
			items = append(items, objects...)
		}
		list["items"] = items
		var err error
		if body, err = json.Marshal(list); err != nil {
			return err
		}
	}
	if o.Output == "template" {
		return o.template(o.Out, body)
	}
	if o.Output == "yaml" {
		text, err := report.YAML(body)
		if err != nil {
			return err
		}
		_, err = o.Out.Write(text)
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "    "); err != nil {
		return err
	}
	_, err := fmt.Fprintf(o.Out, "%s\n", bytes.TrimRight(report.Harmless(b.Bytes()), "\n"))
	return err
}

// objectsIn returns an object, or those of a list, which do not name their kind
// themselves.
func objectsIn(body []byte) ([]json.RawMessage, error) {
	var list struct {
		APIVersion string                       `json:"apiVersion"`
		Kind       string                       `json:"kind"`
		Items      []map[string]json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	kind, is := strings.CutSuffix(list.Kind, "List")
	if !is {
		return []json.RawMessage{body}, nil
	}
	var all []json.RawMessage
	for _, item := range list.Items {
		for key, value := range map[string]string{"apiVersion": list.APIVersion, "kind": kind} {
			if item[key] == nil {
				text, err := json.Marshal(value)
				if err != nil {
					return nil, err
				}
				item[key] = text
			}
		}
		object, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		all = append(all, object)
	}
	return all, nil
}

// names prints TYPE/NAME of each object.
func (o *getOptions) names(all []wanted) error {
	for _, w := range all {
		objects, err := objectsIn(w.body)
		if err != nil {
			return err
		}
		for _, object := range objects {
			var m metav1.PartialObjectMetadata
			if err := json.Unmarshal(object, &m); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(o.Out, report.Clean(w.word+"/"+m.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// tables prints a table for each type. With several types the names say theirs.
func (o *getOptions) tables(all []wanted) error {
	var tables []*metav1.Table
	var words []string
	for _, w := range all {
		var t metav1.Table
		if err := json.Unmarshal(w.body, &t); err != nil {
			return err
		}
		if n := len(words) - 1; n >= 0 && words[n] == w.word {
			tables[n].Rows = append(tables[n].Rows, t.Rows...)
			continue
		}
		if len(t.Rows) > 0 {
			tables, words = append(tables, &t), append(words, w.word)
		}
	}
	if len(tables) == 0 {
		o.Note("No resources found.")
		return nil
	}
	several := o.Namespace == "" && (len(all) > 1 || !all[0].one)
	for i, t := range tables {
		prefix := ""
		if len(tables) > 1 {
			prefix = words[i] + "/"
		}
		if i > 0 {
			if _, err := fmt.Fprintln(o.Out); err != nil {
				return err
			}
		}
		if err := o.table(t, prefix, several); err != nil {
			return err
		}
	}
	return nil
}

// table prints rows as kubectl does; with spaces, the namespace comes first.
func (o *getOptions) table(t *metav1.Table, prefix string, spaces bool) error {
	in := make([]string, len(t.Rows))
	namespaced := false
	for i := range t.Rows {
		var m metav1.PartialObjectMetadata
		if json.Unmarshal(t.Rows[i].Object.Raw, &m) == nil {
			in[i] = report.Clean(m.Namespace)
		}
		namespaced = namespaced || in[i] != ""
	}
	w := tabwriter.NewWriter(o.Out, 6, 4, 3, ' ', 0)
	line := func(namespace string, cells []string) {
		var row []string
		if spaces && namespaced {
			row = append(row, namespace)
		}
		for i, c := range cells {
			if t.ColumnDefinitions[i].Priority == 0 || o.Output == "wide" {
				row = append(row, c)
			}
		}
		// What cannot be written is an error of the Flush.
		_, _ = fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	if !o.NoHeaders {
		var titles []string
		for _, c := range t.ColumnDefinitions {
			titles = append(titles, strings.ToUpper(c.Name))
		}
		line("NAMESPACE", titles)
	}
	for i, r := range t.Rows {
		var cells []string
		for _, c := range r.Cells {
			cells = append(cells, report.Clean(fmt.Sprint(c)))
		}
		if len(cells) > 0 {
			cells[0] = prefix + cells[0]
		}
		line(in[i], cells)
	}
	return w.Flush()
}
