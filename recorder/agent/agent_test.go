package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// badBucket is a folder whose Put fails as often as chance says, in every way an
// object store can: before, after, and with half of the object.
type badBucket struct {
	bucket.Bucket
	mu     sync.Mutex
	chance *rand.Rand
	bad    float64
}

var errAway = errors.New("the store is away")

func (b *badBucket) roll() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.chance.Float64() >= b.bad {
		return 0
	}
	return 1 + b.chance.IntN(4)
}

func (b *badBucket) Put(ctx context.Context, key string, body *io.SectionReader, create bool) error {
	half := io.NewSectionReader(body, 0, body.Size()/2)
	mark := strings.HasSuffix(key, segment.Commit) // a store has a small object or not
	switch b.roll() {
	case 1:
		return errAway
	case 2: // the answer is lost
		return errors.Join(errAway, b.Bucket.Put(ctx, key, body, create))
	case 3:
		if !mark {
			return errors.Join(errAway, b.Bucket.Put(ctx, key, half, create))
		}
	case 4: // a store that lies
		if !mark {
			return b.Bucket.Put(ctx, key, half, create)
		}
	}
	return b.Bucket.Put(ctx, key, body, create)
}

func (b *badBucket) Stat(ctx context.Context, key string) (bucket.Object, error) {
	if b.roll() == 1 {
		return bucket.Object{}, errAway
	}
	return b.Bucket.Stat(ctx, key)
}

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(time.Millisecond)
	return c.t
}

var begin = time.Date(2026, 11, 30, 23, 50, 0, 0, time.UTC)

func options(dir string, b bucket.Bucket, now func() time.Time) Options {
	return Options{
		Header: store.Header{Start: begin, Cluster: store.Cluster{UID: "u", Context: "prod"}}, Cluster: "prod", Dir: dir, Bucket: b,
		Every: time.Minute, Soon: time.Second, Spool: 1 << 30, Grace: time.Second, Now: now, Metric: NewMetrics(now), Services: 10,
	}
}

// run is a recorder's run that a test writes.
type run struct {
	*Agent
	w *store.Writer
}

func newRun(t *testing.T, o Options, n int) *run {
	t.Helper()
	a, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Header.ID, o.Header.Start = fmt.Sprintf("%08d-0000", n), o.Now()
	w, err := store.Create(a.ring, o.Header, store.Window(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r := &run{a, w}
	r.event(t, store.Event{Type: store.Relist})
	r.event(t, store.Event{Type: watch.Bookmark, Object: []byte(`{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}`)})
	if _, err := w.Cover(store.Coverage{Time: o.Now(), Resource: pods, Status: store.Current}); err != nil {
		t.Fatal(err)
	}
	r.commit(t)
	return r
}

func (r *run) event(t *testing.T, e store.Event) {
	t.Helper()
	e.Time, e.Resource = r.Now(), pods
	if _, err := r.w.Append(e); err != nil {
		t.Fatal(err)
	}
}

func (r *run) commit(t *testing.T) {
	t.Helper()
	if err := r.w.Commit(r.Now()); err != nil {
		t.Fatal(err)
	}
}

func (r *run) pod(t *testing.T, name string) {
	t.Helper()
	r.event(t, store.Event{Type: watch.Added, Namespace: "shop", Name: name, UID: types.UID(name), ResourceVersion: "1", Object: fmt.Appendf(nil, `{"metadata":{"name":%q,"namespace":"shop","uid":%[1]q,"resourceVersion":"1"}}`, name)})
}

// fetched joins everything that a bucket has of a cluster and counts the Pods.
func fetched(t *testing.T, b bucket.Bucket, from, to time.Time) (counts map[string]int, gaps int) {
	t.Helper()
	found, err := segment.Find(t.Context(), b, "prod", from, to)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var parts []*store.Recording
	for i := range found {
		path, _, err := found[i].Fetch(t.Context(), b, dir)
		if err != nil {
			t.Fatal(err)
		}
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		parts = append(parts, r)
	}
	if len(parts) == 0 {
		return nil, 0
	}
	header := parts[0].Info().Header
	header.ID = "joined"
	out := filepath.Join(dir, "joined.db")
	if _, err := store.Join(out, header, parts); err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	counts = map[string]int{}
	for e, err := range r.Events(1, r.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if e.IsObject() {
			counts[e.Name]++
		}
	}
	ledger, err := r.Ledger(1, r.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ledger {
		if c.Status == store.Gap {
			gaps++
		}
	}
	return counts, gaps
}

// TestNothingIsLost kills recorders at any point while the bucket fails in every way:
// in the end the bucket has each write once, in segments that are whole.
func TestNothingIsLost(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	folder, err := bucket.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bad := &badBucket{Bucket: folder, chance: chance, bad: 0.5}
	dir := t.TempDir()
	time := &clock{t: begin}
	want := map[string]int{}
	const runs = 20
	for n := range runs {
		o := options(dir, bad, time.now)
		if n == runs-1 {
			bad.bad = 0
		}
		r := newRun(t, o, n)
		for range 1 + chance.IntN(4) {
			for range chance.IntN(3) {
				name := fmt.Sprintf("pod-%d", len(want))
				want[name] = 1
				r.pod(t, name)
				r.commit(t)
			}
			before, _ := os.ReadFile(r.state.path)
			if err := r.cutLive(t.Context(), timed); err != nil && !errors.Is(err, segment.ErrNothing) {
				t.Fatal(err)
			}
			for range chance.IntN(4) {
				if _, err := r.store(t.Context()); err != nil && !errors.Is(err, errAway) && !errors.Is(err, segment.ErrHalf) {
					t.Fatal(err)
				}
			}
			if known, _, _ := r.known.size(); known > 0 && before != nil && chance.IntN(3) == 0 {
				// Killed between the segment and the state.
				if err := os.WriteFile(r.state.path, before, 0o600); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		if err := r.w.Abort(); err != nil { // killed
			t.Fatal(err)
		}
	}
	last, err := New(t.Context(), options(dir, folder, time.now))
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		if more, err = last.store(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got, gaps := fetched(t, folder, begin, time.now())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the bucket has other writes (-want +got):\n%s", diff)
	}
	if gaps != runs-1 {
		t.Errorf("%d gaps, want one for each restart: %d", gaps, runs-1)
	}
	left, err := os.ReadDir(last.spool)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
}

// TestSpoolIsBounded has a bucket that takes nothing: the oldest segments are dropped,
// the ledger says which, and what is joined later has gaps of that length.
func TestSpoolIsBounded(t *testing.T) {
	folder, err := bucket.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	time := &clock{t: begin}
	o := options(t.TempDir(), folder, time.now)
	o.Spool = 1 // the newest stays
	r := newRun(t, o, 1)
	var said []string
	r.notices.open(func(text string) { said = append(said, text) })
	for i := range 3 {
		r.pod(t, fmt.Sprintf("pod-%d", i))
		r.commit(t)
		if err := r.cutLive(t.Context(), timed); err != nil {
			t.Fatal(err)
		}
	}
	if n, _, _ := r.known.size(); n != 1 || len(said) != 2 || !strings.Contains(said[0], "was dropped before it was stored") {
		t.Errorf("%d segments wait, and the ledger says %q", n, said)
	}
	if more, err := r.store(t.Context()); !more || err != nil {
		t.Fatal(more, err)
	}
	if err := r.w.Abort(); err != nil {
		t.Fatal(err)
	}
	got, _ := fetched(t, folder, begin, time.now())
	if diff := cmp.Diff(map[string]int{"pod-0": 1, "pod-1": 1, "pod-2": 1}, got); diff != "" { // as the start of the segment
		t.Error(diff)
	}
}

// TestOneAgentInAFolder: a second one is refused while the first writes.
func TestOneAgentInAFolder(t *testing.T) {
	folder, err := bucket.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	time := &clock{t: begin}
	o := options(t.TempDir(), folder, time.now)
	r := newRun(t, o, 1)
	defer r.w.Abort()
	if _, err := New(t.Context(), o); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a second agent: %v", err)
	}
}

// server is an API server of a cluster with Pods that are created one by one.
type server struct {
	mu      sync.Mutex
	made    int
	changed chan struct{}
}

func (s *server) create() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/version":
		fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
	case "/api":
		fmt.Fprint(w, `{"kind":"APIVersions","versions":["v1"]}`)
	case "/apis":
		fmt.Fprint(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
	case "/api/v1":
		fmt.Fprint(w, `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod","kind":"Pod","namespaced":true,"verbs":["get","list","watch"]}]}`)
	case "/api/v1/pods":
		s.pods(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
	}
}

func (s *server) pods(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") == "" {
		fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
		return
	}
	fmt.Fprint(w, `{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n")
	for sent := 0; ; {
		s.mu.Lock()
		made, changed := s.made, s.changed
		s.mu.Unlock()
		for ; sent < made; sent++ {
			fmt.Fprintf(w, `{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"pod-%d","namespace":"shop","uid":"uid-%[1]d","resourceVersion":"%[2]d"}}}`+"\n", sent, sent+2)
		}
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// TestAgent records an API server: what was created is in the bucket once the agent
// has ended, in several segments, and it tells how it does.
func TestAgent(t *testing.T) {
	api := &server{changed: make(chan struct{})}
	front := httptest.NewServer(api)
	defer front.Close()
	defer front.CloseClientConnections()
	folder, err := bucket.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := options(t.TempDir(), folder, time.Now)
	o.Every = 50 * time.Millisecond
	o.Grace = time.Minute
	o.Recorder = recorder.Options{Config: &rest.Config{Host: front.URL}, Profile: recorder.Minimal, Redactor: redact.Standard(false), Now: time.Now}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if o.Header, err = recorder.Prepare(ctx, o.Recorder); err != nil {
		t.Fatal(err)
	}
	o.Header.Scope = o.Recorder.Scope()
	a, err := New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	handler := o.Metric.Handler()
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := get("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready before it runs: %s", text)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	const writes = 30
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
			select {
			case err := <-ended:
				t.Fatalf("the agent ended: %v", err)
			default:
			}
			if time.Now().After(deadline) {
				t.Fatalf("not within a minute: %s", what)
			}
		}
	}
	until("it listens", func() bool { code, _ := get("/readyz"); return code == http.StatusOK })
	stored := func() int {
		found, err := segment.Find(t.Context(), folder, "prod", o.Header.Start, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for i := range writes {
		api.create()
		if i%10 == 9 {
			heard := func() (n uint64) {
				for _, s := range o.Metric.Progress().Streams {
					n += s.Events
				}
				return n
			}
			until("it has heard of the Pods", func() bool { return heard() >= uint64(i) })
			already := stored()
			until("another segment is stored", func() bool { return stored() > already })
		}
	}
	_, text := get("/metrics")
	for _, name := range []string{`svcspy_streams{status="Current"} 1`, `svcspy_segments_total{cause="Time"}`, "svcspy_spool_bytes", "svcspy_upload_failures_total 0", `svcspy_events{resource="pods"}`} {
		if !strings.Contains(text, name) {
			t.Errorf("/metrics has no %s:\n%s", name, text)
		}
	}
	if code, text := get("/livez"); code != http.StatusOK {
		t.Errorf("not alive: %s", text)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the agent does not end")
	}
	counts, _ := fetched(t, folder, o.Header.Start, time.Now())
	want := map[string]int{}
	for i := range writes {
		want[fmt.Sprintf("pod-%d", i)] = 1
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("the bucket has other writes (-want +got):\n%s", diff)
	}
	if left, err := filepath.Glob(filepath.Join(o.Dir, "*.db")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestBreaks says which turns of a verdict ask for a segment.
func TestBreaks(t *testing.T) {
	for _, c := range []struct {
		before, now analyzer.State
		want        bool
	}{
		{analyzer.Serving, analyzer.NotServing, true},
		{analyzer.Degraded, analyzer.PartiallyServing, true},
		{analyzer.PartiallyServing, analyzer.NotServing, true},
		{analyzer.Converging, analyzer.NotServing, true},
		{analyzer.NotServing, analyzer.NotServing, false},
		{analyzer.NotServing, analyzer.PartiallyServing, false},
		{analyzer.Serving, analyzer.Degraded, false},
		{analyzer.Serving, analyzer.Unknown, false},
		{analyzer.NotServing, analyzer.Serving, false},
	} {
		if got := breaks(c.before, c.now); got != c.want {
			t.Errorf("%s after %s: %t", c.now, c.before, got)
		}
	}
}

// countingBucket counts the requests that a bucket of S3 would get.
type countingBucket struct {
	bucket.Bucket
	requests atomic.Int64
}

func (b *countingBucket) ReadAt(ctx context.Context, o bucket.Object, p []byte, offset int64) (int, error) {
	b.requests.Add(1)
	return b.Bucket.ReadAt(ctx, o, p, offset)
}

func (b *countingBucket) List(ctx context.Context, l bucket.Listing) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		b.requests.Add(1)
		n := 0
		for o, err := range b.Bucket.List(ctx, l) {
			if n++; n%1000 == 0 { // another page
				b.requests.Add(1)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// TestFetchRequests fetches an hour out of a month of segments, 2,880 of them: it
// takes few requests, however long the month.
func TestFetchRequests(t *testing.T) {
	dir := t.TempDir()
	folder, err := bucket.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &countingBucket{Bucket: folder}
	for at := begin.Add(-30 * 24 * time.Hour); at.Before(begin); at = at.Add(15 * time.Minute) {
		n := segment.Name{Cluster: "prod", Start: at, End: at.Add(15 * time.Minute), Run: "00000001", First: 1, Digest: "0123456789abcdef"}
		path := filepath.Join(dir, n.Key())
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path+segment.Recording, nil, 0o600), os.WriteFile(path+segment.Commit, []byte("{}"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	from := begin.Add(-10 * 24 * time.Hour)
	found, err := segment.Find(t.Context(), b, "prod", from.Add(time.Minute), from.Add(time.Hour-time.Minute))
	if err != nil || len(found) != 4 {
		t.Fatalf("%d segments, %v", len(found), err)
	}
	for i := range found {
		if _, _, err := found[i].Fetch(t.Context(), b, dir); err == nil { // it asks for the summary, which is empty
			t.Fatal("an empty summary was taken for one")
		}
	}
	n := b.requests.Load() + int64(len(found)) // a recording of up to 8 MiB takes one
	t.Logf("bench fetch_requests %d", n)
	if n > 40 {
		t.Errorf("%d requests", n)
	}
}

// TestNames: a key is read as it was written, and nothing else is.
func TestNames(t *testing.T) {
	n := segment.Name{Cluster: "prod", Start: begin, End: begin.Add(15 * time.Minute), Run: "0123abcd", First: 8812, Digest: "0123456789abcdef"}
	if got, ok := segment.ParseKey(n.Key()); !ok || got != n {
		t.Errorf("%s: %+v", n.Key(), got)
	}
	for _, key := range []string{
		"", "prod", "../2026-11-30/" + n.Base(), "prod/2026-11-29/" + n.Base(), "PROD/2026-11-30/" + n.Base(), "prod/2026-11-30/x/" + n.Base(),
		"prod/2026-11-30/20261130T235000Z-20261130T234900Z-0123abcd-1-0123456789abcdef", "prod/2026-11-30/20261130T996000Z-20261130T996000Z-0123abcd-1-0123456789abcdef",
	} {
		if got, ok := segment.ParseKey(key); ok {
			t.Errorf("%q was read as %+v", key, got)
		}
	}
	for text, want := range map[string]string{"Prod EU": "prod-eu", "arn:aws:eks:x/y": "arn-aws-eks-x-y", "...": "", "ü": "", strings.Repeat("a", 100): strings.Repeat("a", 63)} {
		if got := segment.ClusterName(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
