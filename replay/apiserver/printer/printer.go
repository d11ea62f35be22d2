// Package printer shows objects as the rows that kubectl get prints, as the API
// server does: a [Printer] has the columns of one resource and a function from
// the bytes of an object to a cell for each of them.
//
// [ForResource] returns the printers of Kubernetes' own resources, [Custom] makes
// one of the columns that a CustomResourceDefinition declares, and [Plain] is what
// the API server shows of its own resources without columns.
package printer

import (
	"encoding/json"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// Printer says how objects of one resource are shown as rows.
type Printer struct {
	Columns []metav1.TableColumnDefinition
	// Cells returns a value for each column. Ages are measured at the time.
	Cells func(object []byte, at time.Time) ([]any, error)
	// Conditions, unless nil, returns what is said of the whole row.
	Conditions func(object []byte) []metav1.TableRowCondition
	// Arrange, unless nil, brings a list into the order its rows have.
	Arrange func(items []store.Event)
	// Preferred, unless nil, returns the name in a list that is marked as the
	// default.
	Preferred func(items []store.Event) string
}

// rows makes a printer of a function over an API type. Columns are written as
// NAME[:TYPE[:FORMAT]], with a + before those that only -o wide shows. Without a
// type it is a string, and Name has the format name. Descriptions are left
// empty: they do not matter to any row.
func rows[T any](cells func(o *T, at time.Time) []any, notations ...string) Printer {
	return Printer{Columns: columns(notations...), Cells: func(object []byte, at time.Time) ([]any, error) {
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

// ForResource returns how the API server shows one of its own resources; ok is false
// for others.
func ForResource(resource schema.GroupVersionResource) (p Printer, ok bool) {
	p, ok = builtIn[resource]
	return p, ok
}
