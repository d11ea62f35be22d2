package table

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/svcspy/svcspy/store"
)

const incident = "../../fixtures/incidents/bad-image-rollout.db"

func open(t *testing.T, path string) *store.Recording {
	t.Helper()
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// read reads a table with a library that shares nothing with the writer.
func read[T any](t *testing.T, data []byte) []T {
	t.Helper()
	rows, err := parquet.Read[T](bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

type odd struct {
	At   int64  `parquet:"at,micros"`
	N    int32  `parquet:"n"`
	Big  int64  `parquet:"big"`
	Text string `parquet:"text"`
	Name string `parquet:"name,dict"`
	Is   bool   `parquet:"is"`
}

// oddRead are the same columns in the words of the library.
type oddRead struct {
	At   int64  `parquet:"at,timestamp(microsecond)"`
	N    int32  `parquet:"n"`
	Big  int64  `parquet:"big"`
	Text string `parquet:"text"`
	Name string `parquet:"name,dict"`
	Is   bool   `parquet:"is"`
}

// TestRows writes row counts around every boundary and reads the values back.
func TestRows(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 1000, groupRows, groupRows + 1} {
		for _, names := range []int{1, 2, 3, 300, 70_000} {
			var out bytes.Buffer
			w := newRowWriter[odd](&out)
			var want []oddRead
			for i := range n {
				row := odd{int64(i) - 5, int32(-i), int64(i) << 40, fmt.Sprint("text ", i), fmt.Sprint("name", i%names), i%3 == 0}
				if err := w.add(row); err != nil {
					t.Fatal(err)
				}
				want = append(want, oddRead(row))
			}
			rows, err := w.end()
			if err != nil || rows != int64(n) {
				t.Fatal(rows, err)
			}
			got := read[oddRead](t, out.Bytes())
			if len(got) != n {
				t.Fatalf("%d rows of %d", len(got), n)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%d rows, %d names, row %d: %v, want %v", n, names, i, got[i], want[i])
				}
			}
		}
	}
}

// TestTables exports an incident: events are those of the recording, and the change
// and the verdict are what its .yaml says was done.
func TestTables(t *testing.T) {
	r := open(t, incident)
	write := func(name string) []byte {
		var out bytes.Buffer
		if _, err := Write(t.Context(), r, name, &out); err != nil {
			t.Fatal(name, err)
		}
		return out.Bytes()
	}
	type event struct {
		Seq  int64  `parquet:"seq"`
		Name string `parquet:"name"`
	}
	var want []event
	for e, err := range r.Events(1, r.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, event{int64(e.Seq), e.Name})
	}
	if diff := cmp.Diff(want, read[event](t, write("events"))); diff != "" {
		t.Error(diff)
	}
	images := 0
	for _, c := range read[struct {
		Kind string `parquet:"kind"`
		Name string `parquet:"name"`
		New  string `parquet:"new_value"`
	}](t, write("changes")) {
		if c.Kind == "Deployment" && c.Name == "web" && c.New == "web:badtag" {
			images++
		}
	}
	if images != 1 {
		t.Errorf("the image was set to web:badtag %d times, want once", images)
	}
	failed := 0
	for _, v := range read[struct {
		Service   string `parquet:"service"`
		State     string `parquet:"state"`
		Diagnosis string `parquet:"diagnosis"`
	}](t, write("verdicts")) {
		if v.Service == "web" && v.State == "Degraded" && v.Diagnosis == "image-pull-failed" {
			failed++
		}
		if v.Service == "web" && v.State == "NotServing" {
			t.Error("the old Pods served all the time")
		}
	}
	if failed == 0 {
		t.Error("no verdict has image-pull-failed")
	}
	for _, c := range read[struct {
		From   int64  `parquet:"from_time"`
		To     int64  `parquet:"to_time"`
		Status string `parquet:"status"`
	}](t, write("coverage")) {
		if c.From > c.To {
			t.Errorf("coverage from %d to %d", c.From, c.To)
		}
	}
}

// TestBars prints how many events a second become all four tables.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	t.Run("export", func(t *testing.T) {
		paths, err := filepath.Glob("../../fixtures/incidents/*.db")
		if err != nil || len(paths) == 0 {
			t.Fatal(err)
		}
		var events uint64
		var of, all time.Duration
		for _, path := range paths {
			r := open(t, path)
			events += r.Info().Events
			for _, name := range Names() {
				begun := time.Now()
				if _, err := Write(t.Context(), r, name, &bytes.Buffer{}); err != nil {
					t.Fatal(path, err)
				}
				took := time.Since(begun)
				if all += took; name == "events" {
					of += took
				}
			}
		}
		fmt.Printf("bench export_events_per_s %.4g 1/s\n", float64(events)/of.Seconds())
		fmt.Printf("bench export_all_tables_events_per_s %.4g 1/s\n", float64(events)/all.Seconds())
	})
}
