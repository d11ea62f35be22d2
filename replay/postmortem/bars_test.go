package postmortem

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// TestBars prints the figures `make bench` collects: how large the report of a
// Service in an incident of 100,000 events is, the largest of its three forms,
// and how long it takes, by the clock and in processor time. It runs only when
// SVCSPY_BENCH is set.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	path := largeIncident(t)
	t.Run("replay_range", func(t *testing.T) { benchRange(t, path) })
	t.Run("report", func(t *testing.T) {
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		begun, used := time.Now(), processorTime(t)
		p := build(t, r, Options{Subject: store.Ref{Resource: replay.Services, Namespace: "default-3", Name: "app15"}})
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
func benchRange(t *testing.T, path string) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	ref := store.Ref{Resource: replay.Services, Namespace: "default-3", Name: "app15"}
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

// largeIncident records the rollouts of the corpus in three namespaces, one
// after the other, as if one incident had hit them all: 113,000 events of 123
// Services with 4,800 Pods.
func largeIncident(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.db")
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	w, err := store.Create(path, store.Header{ID: "large", Start: at})
	if err != nil {
		t.Fatal(err)
	}
	resources := map[string]schema.GroupVersionResource{
		"Pod": pods, "Node": nodes, "EndpointSlice": slicesOf, "Service": replay.Services,
		"Event": {Version: "v1", Resource: "events"}, "Endpoints": {Version: "v1", Resource: "endpoints"},
		"ReplicaSet": {Group: "apps", Version: "v1", Resource: "replicasets"}, "Deployment": {Group: "apps", Version: "v1", Resource: "deployments"},
	}
	for _, name := range []string{"Pod", "Node", "EndpointSlice", "Service", "Event", "Endpoints", "ReplicaSet", "Deployment"} {
		if _, err := w.Cover(store.Coverage{Time: at, Resource: resources[name], Status: store.Current}); err != nil {
			t.Fatal(err)
		}
	}
	for pass := range 3 {
		packed, err := os.Open(filepath.Join("..", "..", "fixtures", "rollout.jsonl.zst"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(z)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			line := lines.Bytes()
			if pass > 0 {
				line = bytes.ReplaceAll(line, []byte(`"namespace":"default"`), fmt.Appendf(nil, `"namespace":"default-%d"`, pass+1))
				line = bytes.ReplaceAll(line, []byte(`"uid":"`), fmt.Appendf(nil, `"uid":"%d`, pass))
			}
			var said struct {
				Type   watch.EventType
				Object json.RawMessage
			}
			var object struct {
				Kind     string
				Metadata struct {
					Namespace, Name, ResourceVersion string
					UID                              types.UID
				}
			}
			if err := json.Unmarshal(line, &said); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(said.Object, &object); err != nil {
				t.Fatal(err)
			}
			m := &object.Metadata
			if pass > 0 && m.Namespace == "" {
				continue // there is one set of Nodes
			}
			at = at.Add(time.Duration(len(said.Object)*7919%40000) * time.Microsecond)
			if _, err := w.Append(store.Event{
				Time: at, Type: said.Type, Resource: resources[object.Kind], Namespace: m.Namespace, Name: m.Name, UID: m.UID,
				ResourceVersion: m.ResourceVersion, Object: said.Object,
			}); err != nil {
				t.Fatal(err)
			}
			if w.Pending() > 4<<20 {
				if err := w.Commit(at); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		z.Close()
		if err := packed.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Seal(at); err != nil {
		t.Fatal(err)
	}
	return path
}
