package postmortem

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// TestBars prints the figures `make bench` collects: how large the report of a
// Service in an incident of 100,000 events is, the largest of its three forms,
// and how long it takes, by the clock and in processor time. It runs only when
// SVCSPY_BENCH is set.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	path, service := largeIncident(t)
	t.Run("replay_range", func(t *testing.T) { benchRange(t, path, service) })
	t.Run("report", func(t *testing.T) {
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		begun, used := time.Now(), processorTime(t)
		p := build(t, r, Options{Subject: service})
		size := len(printed(t, "html", p))
		fmt.Printf("bench report_100k_s %.4g s\n", time.Since(begun).Seconds())
		fmt.Printf("bench report_100k_cpu_s %.4g s\n", (processorTime(t) - used).Seconds())
		size = max(size, len(printed(t, "json", p)), len(printed(t, "md", p)))
		fmt.Printf("bench report_100k_mb %.4g MB\n", float64(size)/1e6)
		t.Logf("%d events, %s; %d rows, %d instants, %d lanes and %d Pods more", r.Info().Events, p.Title, len(p.Rows), len(p.Instants), len(p.Picture.Lanes), p.Picture.MorePods)
		if size > 5_000_000 {
			t.Errorf("the report has %d bytes, want at most 5 MB", size)
		}
	})
}

// rangeReader counts the reads of an object.
type rangeReader struct {
	io.ReaderAt
	reads, bytes atomic.Int64
}

func (r *rangeReader) ReadAt(p []byte, off int64) (int, error) {
	r.reads.Add(1)
	r.bytes.Add(int64(len(p)))
	return r.ReaderAt.ReadAt(p, off)
}

// benchRange reads one report of the recording as of an object: at its end, and the
// document of a Service over all of it.
func benchRange(t *testing.T, path string, ref store.Ref) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func(r *store.Recording) error{
		"replay_range": func(r *store.Recording) error {
			s, err := replay.NewCursor(r).SeekTime(r.Info().Start.Add(r.Info().End.Sub(r.Info().Start) / 2))
			if err == nil {
				_, err = verdict.ReportAt(t.Context(), s, ref, analyzer.Options{})
			}
			return err
		},
		"replay_range_document": func(r *store.Recording) error { build(t, r, Options{Subject: ref}); return nil },
	} {
		from := &rangeReader{ReaderAt: file}
		r, err := store.OpenReaderAt(from, st.Size())
		if err != nil {
			t.Fatal(err)
		}
		if err := ask(r); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("bench %s_requests %d of %.3g MiB\n", name, from.reads.Load(), float64(st.Size())/(1<<20))
		fmt.Printf("bench %s_mib %.3g MiB\n", name, float64(from.bytes.Load())/(1<<20))
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// largeIncident records the corpus three times, one after the other and in namespaces of
// their own, as if one incident had hit them all: of the rollout that is 113,000 events of
// 123 Services with 4,800 Pods. It returns the file and one of the last Services.
func largeIncident(t *testing.T) (string, store.Ref) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.db")
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	w, err := store.Create(path, store.Header{ID: "large", Start: at})
	if err != nil {
		t.Fatal(err)
	}
	covered, service := map[schema.GroupVersionResource]bool{}, store.Ref{}
	for e, err := range corpus.Chosen() {
		if err != nil {
			t.Fatal(err)
		}
		if !covered[e.Resource] {
			covered[e.Resource] = true
			if _, err := w.Cover(store.Coverage{Time: at, Resource: e.Resource, Status: store.Current}); err != nil {
				t.Fatal(err)
			}
		}
		if id, err := rawjson.Identify(e.Resource, e.Object); err == nil && e.Resource == replay.Services && rawjson.Text(e.Object, "spec.clusterIP") != "None" {
			service = store.Ref{Resource: e.Resource, Namespace: id.Namespace + "-3", Name: id.Name}
		}
	}
	if service.Name == "" {
		t.Skip("there is no Service in the corpus")
	}
	for pass := range 3 {
		for e, err := range corpus.Chosen() {
			if err != nil {
				t.Fatal(err)
			}
			id, err := rawjson.Identify(e.Resource, e.Object)
			if err != nil {
				t.Fatal(err)
			}
			if pass > 0 {
				if e.Cluster {
					continue // there is one set of Nodes
				}
				e.Object = bytes.ReplaceAll(e.Object, fmt.Appendf(nil, `"namespace":%q`, id.Namespace), fmt.Appendf(nil, `"namespace":"%s-%d"`, id.Namespace, pass+1))
				e.Object = bytes.ReplaceAll(e.Object, []byte(`"uid":"`), fmt.Appendf(nil, `"uid":"%d`, pass))
				if id, err = rawjson.Identify(e.Resource, e.Object); err != nil {
					t.Fatal(err)
				}
			}
			at = at.Add(time.Duration(len(e.Object)*7919%40000) * time.Microsecond)
			if _, err := w.Append(store.Event{
				Time: at, Type: e.Type, Resource: e.Resource, Namespace: id.Namespace, Name: id.Name, UID: id.UID,
				ResourceVersion: id.ResourceVersion, Object: e.Object,
			}); err != nil {
				t.Fatal(err)
			}
			if w.Pending() > 4<<20 {
				if err := w.Commit(at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := w.Seal(at); err != nil {
		t.Fatal(err)
	}
	return path, service
}
