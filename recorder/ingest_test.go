package recorder

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

var (
	podKind    = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	corpusDocs = map[string]metav1.APIResource{
		"Pod":           {Version: "v1", Name: "pods", Kind: "Pod", Namespaced: true},
		"Event":         {Version: "v1", Name: "events", Kind: "Event", Namespaced: true},
		"Node":          {Version: "v1", Name: "nodes", Kind: "Node"},
		"Service":       {Version: "v1", Name: "services", Kind: "Service", Namespaced: true},
		"Endpoints":     {Version: "v1", Name: "endpoints", Kind: "Endpoints", Namespaced: true},
		"EndpointSlice": {Group: "discovery.k8s.io", Version: "v1", Name: "endpointslices", Kind: "EndpointSlice", Namespaced: true},
		"ReplicaSet":    {Group: "apps", Version: "v1", Name: "replicasets", Kind: "ReplicaSet", Namespaced: true},
		"Deployment":    {Group: "apps", Version: "v1", Name: "deployments", Kind: "Deployment", Namespaced: true},
	}
)

// watches are the watch events of a rollout in a small cluster, by kind, as an
// API server would send them: 37,981 events, 224 MB.
type watches struct {
	events int
	bytes  int
	byKind map[string][]byte
}

var corpus = sync.OnceValues(func() (*watches, error) { return readCorpus(1 << 30) })

// readCorpus reads at most n events of the corpus.
func readCorpus(n int) (*watches, error) {
	packed, err := os.Open(filepath.Join("..", "fixtures", "rollout.jsonl.zst"))
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	z, err := zstd.NewReader(packed)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	w := &watches{byKind: map[string][]byte{}}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for w.events < n && lines.Scan() {
		_, rest, _ := bytes.Cut(lines.Bytes(), []byte(`"kind":"`))
		kind, _, _ := bytes.Cut(rest, []byte(`"`))
		w.byKind[string(kind)] = append(append(w.byKind[string(kind)], lines.Bytes()...), '\n')
		w.events++
		w.bytes += len(lines.Bytes())
	}
	return w, lines.Err()
}

// script serves each kind's events as one watch.
func (w *watches) script() map[string][]step {
	script := map[string][]step{}
	for kind, doc := range corpusDocs {
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
	w, err := corpus()
	if err != nil {
		b.Skip(err)
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
				s.resources, s.groups = corpusDiscovery()
				ctx, cancel := context.WithCancel(context.Background())
				sink := &counter{Sink: bench.sink(b), left: w.events, done: cancel}
				l := defaultLimits
				err := Run(ctx, Options{Config: s.config(), Profile: Standard, Sink: sink, Redactor: bench.redactor, limits: &l})
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

// corpusDiscovery returns the core resources and the others by group version.
func corpusDiscovery() (core []metav1.APIResource, groups map[string][]metav1.APIResource) {
	groups = map[string][]metav1.APIResource{}
	for _, r := range corpusDocs {
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
	w, err := readCorpus(5000)
	if err != nil {
		t.Skip(err)
	}
	p := redact.Standard(false)
	for kind, text := range w.byKind {
		texts := newSplitter(bytes.NewReader(text))
		res := resourceOf(corpusDocs[kind])
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
	w, err := corpus()
	if err != nil {
		b.Skip(err)
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
