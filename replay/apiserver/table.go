package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/replay/apiserver/printer"
	"github.com/svcspy/svcspy/store"
)

// table is one request for rows.
type table struct {
	printer.Printer
	version string // of meta.k8s.io
	include metav1.IncludeObjectPolicy
	headers bool
	at      time.Time
}

func newTable(r *http.Request, f form, p printer.Printer, at time.Time) (*table, error) {
	query := r.URL.Query()
	t := &table{Printer: p, version: f.version, include: metav1.IncludeObjectPolicy(query.Get("includeObject")), headers: true, at: at}
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
		if columns, err = json.Marshal(t.Columns); err != nil {
			return nil, err
		}
	}
	preferred := ""
	if t.Preferred != nil && len(items) > 1 {
		preferred = t.Preferred(items)
	}
	if t.Arrange != nil {
		t.Arrange(items)
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
	cells, err := t.Cells(e.Object, t.at)
	if err != nil {
		cells = make([]any, len(t.Columns))
		for i, c := range t.Columns {
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
	if t.Conditions != nil {
		if c := t.Conditions(e.Object); len(c) > 0 {
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
