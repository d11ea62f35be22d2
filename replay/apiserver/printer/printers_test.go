package printer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestRows holds the rows of objects in all kinds of states to what the
// end-to-end test has seen a real API server answer. Each document of
// testdata/rows.yaml has an object and its cells.
func TestRows(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "rows.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Resource string
		Cells          []any
		Object         map[string]any
	}
	if err := yaml.UnmarshalStrict(raw, &cases); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			object, err := json.Marshal(c.Object)
			if err != nil {
				t.Fatal(err)
			}
			for gvr, p := range builtIn {
				if gvr.GroupResource().String() != c.Resource {
					continue
				}
				got, err := p.Cells(object, at)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(fmt.Sprint(c.Cells...), fmt.Sprint(got...)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			t.Fatalf("no printer for %s", c.Resource)
		})
	}
}

// TestPrinters checks that every printer has a cell for every column, also of an
// object that has nothing.
func TestPrinters(t *testing.T) {
	for gvr, p := range builtIn {
		cells, err := p.Cells([]byte(`{}`), time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC))
		if err != nil || len(cells) < len(p.Columns) {
			t.Errorf("%s: %d cells for %d columns (%v)", gvr, len(cells), len(p.Columns), err)
		}
		if _, err := p.Cells([]byte(`{"metadata":{"creationTimestamp":7},"spec":[],"status":""}`), time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)); err == nil && gvr.Resource == "services" {
			t.Errorf("%s: nonsense was decoded", gvr)
		}
	}
}
