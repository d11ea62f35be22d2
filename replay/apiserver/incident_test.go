package apiserver

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// TestIncidents asks for everything in the recorded incidents, at their start, in
// their middle and at their end: each object, however redacted, has a row.
func TestIncidents(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "incidents", "*.db"))
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() && len(files) > 5 {
		files = files[:5]
	}
	served, rows, refused := 0, 0, 0
	for _, file := range files {
		r, err := store.Open(file)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Cleanup(func() { r.Close() })
		info := r.Info()
		if len(info.Resources) == 0 {
			t.Logf("%s has no discovery document", file)
			continue
		}
		served++
		s, err := New(r, Options{Token: "secret", Instants: []Instant{
			{Name: "end", Time: info.End},
			{Name: "start", Time: info.Start},
			{Name: "middle", Time: info.Start.Add(info.End.Sub(info.Start) / 2)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.root.catalogue()
		if err != nil {
			t.Fatal(err)
		}
		ledger, err := r.Ledger(0, info.Last)
		if err != nil {
			t.Fatal(err)
		}
		began := map[schema.GroupResource]time.Time{} // a kind may be installed later
		for _, l := range ledger {
			if gr := l.Resource.GroupResource(); began[gr].IsZero() {
				began[gr] = l.Time
			}
		}
		for _, instant := range []string{"/at/start", "/at/middle", "/at/end"} {
			for _, res := range c.resources {
				path := instant + root(res.gvr.GroupVersion()) + "/" + res.Name
				w := get(t, s, path, "application/json;as=Table;v=v1;g=meta.k8s.io")
				if w.Code == http.StatusServiceUnavailable {
					refused++
					continue
				}
				if w.Code == http.StatusNotFound && instant == "/at/start" && began[res.gvr.GroupResource()].After(info.Start.Add(time.Second)) {
					continue // there was no such kind
				}
				var table metav1.Table
				if err := json.Unmarshal(w.Body.Bytes(), &table); err != nil || w.Code != http.StatusOK {
					t.Errorf("%s %s: %d %s (%v)", file, path, w.Code, w.Body, err)
					continue
				}
				names, _ := listed(t, s, path)
				if len(names) != len(table.Rows) {
					t.Errorf("%s %s: %d objects, %d rows", file, path, len(names), len(table.Rows))
				}
				for _, row := range table.Rows {
					rows++
					if len(row.Cells) < 2 || row.Cells[1] == nil {
						t.Errorf("%s %s: row %v of %s", file, path, row.Cells, row.Object.Raw)
					}
				}
			}
		}
		s.Close()
	}
	if served > 0 && (rows == 0 || refused == 0) {
		t.Errorf("%d rows, %d resources not recorded: too few to be true", rows, refused)
	}
}
