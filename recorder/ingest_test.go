package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

var podKind = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// watches are the watch events of a corpus, by kind, as an API server would send them.
type watches struct {
	events int
	bytes  int
	kinds  map[string]metav1.APIResource
	byKind map[string][]byte
}

// readWatches reads at most n events of a corpus.
func readWatches(from iter.Seq2[corpus.Event, error], n int) (*watches, error) {
	w := &watches{kinds: map[string]metav1.APIResource{}, byKind: map[string][]byte{}}
	for e, err := range from {
		if err != nil || w.events == n {
			return w, err
		}
		if known, ok := w.kinds[e.Kind]; !ok || e.Type != watch.Bookmark && known.Namespaced == e.Cluster {
			w.kinds[e.Kind] = metav1.APIResource{
				Group: e.Resource.Group, Version: e.Resource.Version, Name: e.Resource.Resource, Kind: e.Kind, Namespaced: !e.Cluster,
			}
		}
		w.byKind[e.Kind] = append(append(w.byKind[e.Kind], e.Line...), '\n')
		w.events++
		w.bytes += len(e.Line)
	}
	return w, nil
}

// script serves each kind's events as one watch.
func (w *watches) script() map[string][]step {
	script := map[string][]step{}
	for kind, doc := range w.kinds {
		s := scope{resource: resourceOf(doc)}
		script[s.path()] = []step{func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(rw, endOfList("1"))
			pour(rw, r, w.byKind[kind])
		}}
	}
	return script
}

// pour writes as fast as it is read, and then nothing more.
func pour(rw http.ResponseWriter, r *http.Request, text []byte) {
	for len(text) > 0 {
		n, _ := rw.Write(text[:min(len(text), 64<<10)])
		if n == 0 {
			return
		}
		text = text[n:]
	}
	rw.(http.Flusher).Flush()
	<-r.Context().Done()
}

// BenchmarkIngest measures HTTP watch streams to Sink, the server included: it
// runs in the same process.
func BenchmarkIngest(b *testing.B) {
	w, err := readWatches(corpus.Chosen(), 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name     string
		redactor *redact.Policy
		sink     func(b *testing.B) Sink
	}{
		{"discarded", redact.Standard(false), func(*testing.B) Sink { return &discard{} }},
		{"discarded-unredacted", nil, func(*testing.B) Sink { return &discard{} }},
		{"file", redact.Standard(false), func(b *testing.B) Sink {
			f, err := store.Create(filepath.Join(b.TempDir(), "bench.db"), store.Header{ID: "bench", Start: time.Now()})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { f.Seal(time.Now()) })
			return f
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			start := cpuTime(b)
			for b.Loop() {
				s := newServer(b, w.script())
				s.resources, s.groups = w.discovery()
				ctx, cancel := context.WithCancel(context.Background())
				sink := &counter{Sink: bench.sink(b), left: w.events, done: cancel}
				l := defaultLimits
				err := Run(ctx, Options{Config: s.config(), Profile: Full, Sink: sink, Redactor: bench.redactor, limits: &l})
				if err != nil {
					b.Fatal(err)
				}
				if sink.left > 0 {
					b.Fatalf("%d events missing", sink.left)
				}
				s.Close()
			}
			b.SetBytes(int64(w.bytes))
			b.ReportMetric(float64(w.events*b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/1000/float64(w.events*b.N), "cpu-us/event")
		})
	}
}

// cpuTime returns the processor time of this process: other work on the machine
// does not count.
func cpuTime(b testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// discovery returns the core resources and the others by group version.
func (w *watches) discovery() (core []metav1.APIResource, groups map[string][]metav1.APIResource) {
	groups = map[string][]metav1.APIResource{}
	for _, r := range w.kinds {
		r.Verbs = metav1.Verbs{"get", "list", "watch"}
		if r.Group == "" {
			core = append(core, r)
			continue
		}
		gv := r.Group + "/" + r.Version
		groups[gv] = append(groups[gv], r)
	}
	return core, groups
}

// counter ends the recording when everything has come.
type counter struct {
	Sink
	left int
	done context.CancelFunc
}

func (c *counter) Append(e store.Event) (store.Seq, error) {
	if e.IsObject() || e.Type == "BOOKMARK" && e.ResourceVersion != "1" {
		if c.left--; c.left == 0 {
			c.done()
		}
	}
	return c.Sink.Append(e)
}

// discard is a Sink without a store.
type discard struct{ seq store.Seq }

func (d *discard) Append(store.Event) (store.Seq, error)   { d.seq++; return d.seq, nil }
func (d *discard) Cover(store.Coverage) (store.Seq, error) { d.seq++; return d.seq, nil }
func (d *discard) Describe([]metav1.APIResource) error     { return nil }
func (d *discard) Commit(time.Time) error                  { return nil }
func (d *discard) Pending() int                            { return 0 }

// TestCorpusPassesThrough checks that every event of the corpus reaches the
// Sink in order, as the same JSON: there is nothing to redact in it but
// last-applied-configuration.
func TestCorpusPassesThrough(t *testing.T) {
	w, err := readWatches(corpus.Rollout(), 5000)
	if err != nil {
		t.Fatal(err)
	}
	p := redact.Standard(false)
	for kind, text := range w.byKind {
		texts := newSplitter(bytes.NewReader(text))
		res := resourceOf(w.kinds[kind])
		for line := range bytes.Lines(text) {
			got, err := texts.next()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, bytes.TrimSpace(line)) {
				t.Fatalf("text is %.200s, want %.200s", got, line)
			}
			_, object, err := splitEvent(got)
			if err != nil {
				t.Fatal(err)
			}
			redacted, err := p.Object(nil, res.gvr, object)
			if err != nil {
				t.Fatal(err)
			}
			if applied := bytes.Contains(object, []byte(`/last-applied-configuration":"`)); bytes.Equal(object, redacted) == applied {
				t.Fatalf("redacted is %.500s, was %.500s", redacted, object)
			}
			var want metav1.PartialObjectMetadata
			if err := json.Unmarshal(object, &want); err != nil {
				t.Fatal(err)
			}
			meta, err := scanMetadata(object, res.namespaced)
			if err != nil {
				t.Fatal(err)
			}
			if meta.name != want.Name || meta.namespace != want.Namespace || meta.uid != want.UID || meta.resourceVersion != want.ResourceVersion {
				t.Fatalf("metadata %+v of %.500s", meta, object)
			}
		}
	}
	for rule, n := range p.Counts() {
		if rule != "lastApplied" {
			t.Errorf("%d %s redacted without need", n, rule)
		}
	}
}

func BenchmarkRedactCorpus(b *testing.B) {
	w, err := readWatches(corpus.Chosen(), 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	p := redact.Standard(false)
	b.SetBytes(int64(len(w.byKind["Pod"])))
	var out []byte
	start := cpuTime(b)
	for b.Loop() {
		for line := range bytes.Lines(w.byKind["Pod"]) {
			_, object, err := splitEvent(bytes.TrimSpace(line))
			if err != nil {
				b.Fatal(err)
			}
			if out, err = p.Object(out[:0], podKind, object); err != nil {
				b.Fatal(err)
			}
		}
	}
	pods := bytes.Count(w.byKind["Pod"], []byte("\n"))
	b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/1000/float64(pods*b.N), "cpu-us/event")
}

func (*discard) Clock(store.Clock) error { return nil }

func (*discard) Redacted(map[string]uint64) {}
