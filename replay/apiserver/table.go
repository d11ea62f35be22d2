package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store"
)

// printer says how objects of one resource are shown as rows.
type printer struct {
	columns []metav1.TableColumnDefinition
	// cells returns a value for each column. Ages are measured at the time.
	cells func(object []byte, at time.Time) ([]any, error)
	// conditions, unless nil, returns what is said of the whole row.
	conditions func(object []byte) []metav1.TableRowCondition
	// arrange, unless nil, brings a list into the order its rows have.
	arrange func(items []store.Event)
	// preferred, unless nil, returns the name in a list that is marked as the
	// default.
	preferred func(items []store.Event) string
}

// rows makes a printer of a function over an API type. Columns are written as
// NAME[:TYPE[:FORMAT]], with a + before those that only -o wide shows. Without a
// type it is a string, and Name has the format name. Descriptions are left
// empty: they do not matter to any row.
func rows[T any](cells func(o *T, at time.Time) []any, notations ...string) printer {
	return printer{columns: columns(notations...), cells: func(object []byte, at time.Time) ([]any, error) {
		o := new(T)
		if err := json.Unmarshal(object, o); err != nil {
			return nil, err
		}
		return cells(o, at), nil
	}}
}

func parseColumn(column string) metav1.TableColumnDefinition {
	name, wide := strings.CutPrefix(column, "+")
	d := metav1.TableColumnDefinition{Type: "string"}
	if wide {
		d.Priority = 1
	}
	name, kind, typed := strings.Cut(name, ":")
	if typed {
		d.Type, d.Format, _ = strings.Cut(kind, ":")
	}
	if d.Name = name; name == "Name" && !typed {
		d.Format = "name"
	}
	return d
}

// table is one request for rows.
type table struct {
	printer
	version string // of meta.k8s.io
	include metav1.IncludeObjectPolicy
	headers bool
	at      time.Time
}

func newTable(r *http.Request, f form, p printer, at time.Time) (*table, error) {
	query := r.URL.Query()
	t := &table{printer: p, version: f.version, include: metav1.IncludeObjectPolicy(query.Get("includeObject")), headers: true, at: at}
	switch t.include {
	case metav1.IncludeNone, metav1.IncludeMetadata, metav1.IncludeObject:
	case "":
		t.include = metav1.IncludeMetadata
	default:
		return nil, apierrors.NewBadRequest(fmt.Sprintf("unrecognized includeObject value: %q", t.include))
	}
	return t, nil
}

// of writes the Table of some objects.
func (t *table) of(items []store.Event, list metav1.ListMeta) ([]byte, error) {
	metadata, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	columns := []byte("null")
	if t.headers {
		if columns, err = json.Marshal(t.columns); err != nil {
			return nil, err
		}
	}
	preferred := ""
	if t.preferred != nil && len(items) > 1 {
		preferred = t.preferred(items)
	}
	if t.arrange != nil {
		t.arrange(items)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"kind":"Table","apiVersion":"meta.k8s.io/%s","metadata":%s,"columnDefinitions":%s,"rows":[`, t.version, metadata, columns)
	for i, part := range t.parts(items, preferred) {
		if i > 0 && len(part) > 0 {
			b.WriteByte(',')
		}
		b.Write(part)
	}
	b.WriteString("]}")
	return b.Bytes(), nil
}

// parts writes the rows, those of a long list on all processors: rendering is
// decoding, and nothing else about a list takes as long.
func (t *table) parts(items []store.Event, preferred string) [][]byte {
	const worthwhile = 256 // objects
	n := min(runtime.GOMAXPROCS(0), 1+len(items)/worthwhile)
	parts := make([][]byte, n)
	var wait sync.WaitGroup
	for i := range parts {
		from, to := i*len(items)/n, (i+1)*len(items)/n
		wait.Go(func() { parts[i] = t.rows(items[from:to], preferred) })
	}
	wait.Wait()
	return parts
}

func (t *table) rows(items []store.Event, preferred string) []byte {
	var b bytes.Buffer
	for i := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		t.row(&b, &items[i], preferred)
	}
	return b.Bytes()
}

// row writes the row of one object. One that cannot be decoded has its name and
// nothing else.
func (t *table) row(b *bytes.Buffer, e *store.Event, preferred string) {
	cells, err := t.cells(e.Object, t.at)
	if err != nil {
		cells = make([]any, len(t.columns))
		for i, c := range t.columns {
			if c.Format == "name" {
				cells[i] = e.Name
			}
		}
	}
	if preferred != "" && cells[0] == preferred {
		cells[0] = preferred + " (default)"
	}
	encoded, err := json.Marshal(cells)
	if err != nil {
		encoded = []byte("[]")
	}
	b.WriteString(`{"cells":`)
	b.Write(encoded)
	if t.conditions != nil {
		if c := t.conditions(e.Object); len(c) > 0 {
			encoded, _ := json.Marshal(c) // of constants
			b.WriteString(`,"conditions":`)
			b.Write(encoded)
		}
	}
	b.WriteString(`,"object":`)
	switch t.include {
	case metav1.IncludeObject:
		b.Write(e.Object)
	case metav1.IncludeMetadata:
		b.Write(partialObject(e.Object, t.version))
	default:
		b.WriteString("null")
	}
	b.WriteByte('}')
}
