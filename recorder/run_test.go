package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

func kind(group, name, kind string, namespaced bool) metav1.APIResource {
	return metav1.APIResource{
		Group: group, Version: "v1", Name: name, Kind: kind, Namespaced: namespaced,
		Verbs: metav1.Verbs{"get", "list", "watch"},
	}
}

func TestPrepare(t *testing.T) {
	s := newServer(t, nil)
	s.groups = map[string][]metav1.APIResource{"apps/v1": {kind("apps", "deployments", "Deployment", true)}}
	got, err := Prepare(context.Background(), Options{
		Config: s.config(), Profile: Standard, Namespaces: []string{"shop"}, Redactor: redact.Standard(false),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID == "" || got.Start.IsZero() {
		t.Errorf("header without an id or a time: %+v", got)
	}
	got.ID, got.Start = "", time.Time{}
	want := store.Header{
		Cluster:   store.Cluster{UID: "cluster-uid", Version: "v1.37.2"},
		Scope:     store.Scope{Profile: Standard, Namespaces: []string{"shop"}},
		Redaction: store.Redaction{Policy: "shape", Version: 2},
		Resources: []metav1.APIResource{kind("", "pods", "Pod", true), kind("apps", "deployments", "Deployment", true)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

func TestPrepareWithoutRightsOnNamespaces(t *testing.T) {
	s := newServer(t, map[string][]step{"/api/v1/namespaces/kube-system": {refuse(403, "namespaces is forbidden")}})
	h, err := Prepare(context.Background(), Options{Config: s.config(), Profile: Minimal})
	if err != nil {
		t.Fatal(err)
	}
	if h.Cluster.UID != "" || h.Redaction.Policy != "none" {
		t.Errorf("header is %+v", h)
	}
}

func TestPrepareUnreachable(t *testing.T) {
	s := newServer(t, nil)
	s.Close()
	_, err := Prepare(context.Background(), Options{Config: &rest.Config{Host: s.URL}, Profile: Minimal})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("Prepare = %v, want ErrUnreachable", err)
	}
	denied := newServer(t, map[string][]step{"/version": {refuse(401, "Unauthorized")}})
	_, err = Prepare(context.Background(), Options{Config: denied.config(), Profile: Minimal})
	if err == nil || errors.Is(err, ErrUnreachable) {
		t.Errorf("Prepare = %v, want the server's refusal", err)
	}
}

// sink calls a function for each event and change of coverage.
type sink struct {
	*store.Memory
	append func(store.Event) error
	cover  func(store.Coverage) error
	commit func() error
}

func newSink() *sink {
	return &sink{
		Memory: store.NewMemory(store.Header{}),
		append: func(store.Event) error { return nil },
		cover:  func(store.Coverage) error { return nil },
		commit: func() error { return nil },
	}
}

func (s *sink) Append(e store.Event) (store.Seq, error) {
	if err := s.append(e); err != nil {
		return 0, err
	}
	return s.Memory.Append(e)
}

func (s *sink) Cover(c store.Coverage) (store.Seq, error) {
	if err := s.cover(c); err != nil {
		return 0, err
	}
	return s.Memory.Cover(c)
}

func (s *sink) Commit(now time.Time) error {
	if err := s.commit(); err != nil {
		return err
	}
	return s.Memory.Commit(now)
}

func TestRunEndsWithItsSink(t *testing.T) {
	full := errors.New("disk full")
	for _, tt := range []struct {
		name  string
		spoil func(s *sink)
	}{
		{"Append", func(s *sink) { s.append = func(store.Event) error { return full } }},
		{"Cover", func(s *sink) { s.cover = func(store.Coverage) error { return full } }},
		{"Commit", func(s *sink) { s.commit = func() error { return full } }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := []string{endOfList("1")}
			for range 5000 { // more than the queue holds
				lines = append(lines, bookmark("2"))
			}
			server := newServer(t, map[string][]step{podsPath: {holds(lines...)}})
			s := newSink()
			tt.spoil(s)
			err := Run(context.Background(), Options{Config: server.config(), Profile: Minimal, Sink: s, Memory: 10_000, limits: &quick})
			if !errors.Is(err, full) {
				t.Errorf("Run = %v, want %v", err, full)
			}
		})
	}
}

func TestRunForbidden(t *testing.T) {
	s := newServer(t, map[string][]step{podsPath: {refuse(403, "pods is forbidden")}})
	err := Run(context.Background(), Options{Config: s.config(), Profile: Minimal, Sink: newSink(), limits: &quick})
	if !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "pods is forbidden") {
		t.Errorf("Run = %v, want ErrForbidden with the server's words", err)
	}
}

func TestRunWithNothingToRecord(t *testing.T) {
	s := newServer(t, nil)
	s.resources = nil
	if err := Run(context.Background(), Options{Config: s.config(), Profile: Minimal, Sink: newSink(), limits: &quick}); err == nil {
		t.Error("Run = nil, want an error")
	}
	if err := Run(context.Background(), Options{Config: s.config(), Profile: "huge", Sink: newSink(), limits: &quick}); err == nil {
		t.Error("Run with an unknown profile = nil, want an error")
	}
}

// Ready comes when everything has been listed or refused, and committed.
func TestReady(t *testing.T) {
	s := newServer(t, map[string][]step{
		podsPath:           {holds(event("ADDED", pod("a", "3")), endOfList("7"))},
		"/api/v1/services": {refuse(403, "services is forbidden")},
	})
	s.resources = append(s.resources, kind("", "services", "Service", true))
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	var committed bool
	var last Progress
	memory := newSink()
	memory.append = func(store.Event) error { committed = false; return nil }
	memory.cover = func(store.Coverage) error { committed = false; return nil }
	memory.commit = func() error { committed = true; return nil }
	err := Run(ctx, Options{
		Config: s.config(), Profile: Minimal, Sink: memory, limits: &quick,
		Ready: func() {
			if !committed {
				t.Error("ready before what was listed was committed")
			}
		},
		Progress: func(p Progress) {
			if p.Ready {
				last = p
				cancel()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Stream{
		{Resource: podKind, Status: store.Current, Events: 3},
		{Resource: podKind.GroupVersion().WithResource("services"), Status: store.Forbidden, Reason: "services is forbidden"},
	}
	if diff := cmp.Diff(want, last.Streams); diff != "" {
		t.Errorf("streams when ready (-want +got):\n%s", diff)
	}
}

func TestSettledWaitsForWhatFails(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	sc := scope{resource: resource{gvr: podKind}}
	m := newMeter([]scope{sc}, nil, start)
	for _, tt := range []struct {
		coverage store.Coverage
		after    time.Duration
		want     bool
	}{
		{store.Coverage{Status: store.NotRecorded}, time.Hour, false},
		{store.Coverage{Status: store.Listing}, time.Hour, false},
		{store.Coverage{Status: store.Gap, Reason: "refused"}, patience, false},
		{store.Coverage{Status: store.Gap, Reason: "refused"}, patience + 1, true},
		{store.Coverage{Status: store.Forbidden, Reason: "no"}, 0, true},
		{store.Coverage{Status: store.NotRecorded, Reason: "not found"}, 0, true},
		{store.Coverage{Status: store.Current}, 0, true},
	} {
		m.cover(sc, &tt.coverage)
		if got := m.settled(start.Add(tt.after)); got != tt.want {
			t.Errorf("settled after %v of %+v = %t", tt.after, tt.coverage, got)
		}
	}
}

// What was heard becomes durable although nothing more is heard.
func TestCommitsByItself(t *testing.T) {
	secret := strings.Replace(pod("a", "8"), `}}`, `,"annotations":{"password":"hunter2"}}}`, 1)
	s := newServer(t, map[string][]step{podsPath: {holds(endOfList("7"), event("ADDED", secret))}})
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	memory := newSink()
	var heard bool
	memory.append = func(e store.Event) error { heard = heard || e.Name == "a"; return nil }
	memory.commit = func() error {
		if heard {
			cancel()
		}
		return nil
	}
	if err := Run(ctx, Options{Config: s.config(), Profile: Minimal, Sink: memory, limits: &quick, Redactor: redact.Standard(false)}); err != nil {
		t.Fatal(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the event was never committed")
	}
	if n := memory.Info().Redacted["annotations"]; n != 1 {
		t.Errorf("%d annotations were redacted, want 1", n)
	}
}

// committing is a Sink that takes its time to commit, and looks whether what was
// said to have been heard until a time was.
type committing struct {
	*sink
	until   time.Time // of the last commit
	pending int
	early   []string
}

func (s *committing) Pending() int { return s.pending }

func (s *committing) Append(e store.Event) (store.Seq, error) {
	if e.Time.Before(s.until) {
		s.early = append(s.early, fmt.Sprintf("%s %s, %v before", e.Type, e.ResourceVersion, s.until.Sub(e.Time)))
	}
	s.pending += len(e.Object)
	return s.sink.Append(e)
}

func (s *committing) Commit(now time.Time) error {
	time.Sleep(50 * time.Millisecond)
	if now.After(s.until) {
		s.until = now
	}
	s.pending = 0
	return s.sink.Commit(now)
}

// A recording that ends with a commit was heard as far as that says: nothing
// that waits to be written was heard before.
func TestCommitsSayWhatWasWritten(t *testing.T) {
	lines := []string{endOfList("1")}
	object := strings.Replace(pod("a", "2"), `}}`, `},"x":"`+strings.Repeat("x", 40<<10)+`"}`, 1)
	for range 600 { // some commits of 4 MiB
		lines = append(lines, event("MODIFIED", object))
	}
	server := newServer(t, map[string][]step{podsPath: {holds(append(lines, event("DELETED", pod("a", "3")))...)}})
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	s := &committing{sink: newSink()}
	s.append = func(e store.Event) error {
		if e.Type == "DELETED" {
			cancel()
		}
		return nil
	}
	if err := Run(ctx, Options{Config: server.config(), Profile: Minimal, Sink: s, limits: &quick}); err != nil {
		t.Fatal(err)
	}
	if len(s.early) > 0 {
		t.Errorf("%d events were written after a commit that says that they were; the first: %s the time it was for", len(s.early), s.early[0])
	}
}

// A discovery that is not answered is given up, and tried again.
func TestDiscoveryHangs(t *testing.T) {
	s := newServer(t, map[string][]step{podsPath: {holds(endOfList("1"))}, "/apis/example.com/v1/widgets": {holds(endOfList("1"))}})
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	memory := newSink()
	memory.cover = func(c store.Coverage) error {
		switch c.Resource.Resource + " " + string(c.Status) {
		case "pods Current":
			s.mu.Lock()
			defer s.mu.Unlock()
			answers := func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, `{"kind":"APIVersions","versions":["v1"]}`)
			}
			s.script["/api"] = []step{hangs, hangs, answers}
			s.groups = map[string][]metav1.APIResource{"example.com/v1": {kind("example.com", "widgets", "Widget", true)}}
		case "widgets Current":
			cancel()
		}
		return nil
	}
	l := quick
	l.rediscover, l.answer = 10*time.Millisecond, 200*time.Millisecond
	if err := Run(ctx, Options{Config: s.config(), Profile: Full, Sink: memory, limits: &l}); err != nil {
		t.Fatal(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("a new resource was never found")
	}
}

// A resource that appears is recorded, one that goes is given up, and one whose
// API does not answer is left alone.
func TestFollowsDiscovery(t *testing.T) {
	const widgets, gadgets = "/apis/example.com/v1/widgets", "/apis/down.example.com/v1/gadgets"
	s := newServer(t, map[string][]step{
		podsPath: {holds(endOfList("1"))},
		widgets:  {holds(endOfList("1"))},
		gadgets:  {holds(endOfList("1"))},
	})
	s.groups = map[string][]metav1.APIResource{"down.example.com/v1": {kind("down.example.com", "gadgets", "Gadget", false)}}
	change := func(f func()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	}
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	var mu sync.Mutex
	var got []string
	memory := newSink()
	memory.cover = func(c store.Coverage) error {
		mu.Lock()
		defer mu.Unlock()
		if c.Resource.Resource == "pods" || c.Status == store.Listing {
			return nil
		}
		got = append(got, c.Resource.Resource+" "+string(c.Status)+" "+c.Reason)
		switch c.Resource.Resource + " " + string(c.Status) {
		case "gadgets Current": // now its API stops to answer, and another appears
			go change(func() {
				s.script["/apis/down.example.com/v1"] = []step{refuse(503, "service unavailable")}
				s.groups["example.com/v1"] = []metav1.APIResource{kind("example.com", "widgets", "Widget", true)}
			})
		case "widgets Current":
			go change(func() {
				s.groups["example.com/v1"] = []metav1.APIResource{kind("example.com", "others", "Other", true)}
			})
		case "widgets NotRecorded":
			cancel()
		}
		return nil
	}
	l := quick
	l.rediscover = 10 * time.Millisecond
	if err := Run(ctx, Options{Config: s.config(), Profile: Full, Sink: memory, limits: &l}); err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "others ") })
	want := []string{
		"gadgets Current ", "widgets Current ", "widgets NotRecorded the resource is no longer served", "gadgets Gap recorder stopped",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	found := false
	for _, r := range memory.Info().Resources {
		found = found || r.Name == "others"
	}
	if !found {
		t.Errorf("discovery document lacks the new resource: %v", memory.Info().Resources)
	}
}

// What is installed while recording is recorded at once, although nothing watches its
// definition: the entity tag of the answer with all groups says that there is more.
func TestNoticesOtherResources(t *testing.T) {
	const widgets = "/apis/example.com/v1/widgets"
	var s *server
	asked, unchanged := 0, 0
	var installed bool
	groups := func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		asked++
		tag := fmt.Sprintf("%q", fmt.Sprint("installed ", installed))
		if r.Header.Get("If-None-Match") == tag {
			unchanged++
			if installed = unchanged >= 3; !installed || unchanged > 3 {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			tag = `"installed true"`
		}
		w.Header().Set("ETag", tag)
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		var list apidiscovery.APIGroupDiscoveryList
		if installed {
			list.Items = []apidiscovery.APIGroupDiscovery{{ObjectMeta: metav1.ObjectMeta{Name: "example.com"}, Versions: []apidiscovery.APIVersionDiscovery{{
				Version: "v1", Freshness: apidiscovery.DiscoveryFreshnessCurrent,
				Resources: []apidiscovery.APIResourceDiscovery{{Resource: "widgets", ResponseKind: &metav1.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}, Scope: apidiscovery.ScopeNamespace, Verbs: []string{"list", "watch"}}},
			}}}}
		}
		json.NewEncoder(w).Encode(list)
	}
	s = newServer(t, map[string][]step{podsPath: {holds(endOfList("1"))}, widgets: {holds(endOfList("1"))}, "/apis": {groups}})
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	memory := newSink()
	memory.cover = func(c store.Coverage) error {
		if c.Resource.Resource == "widgets" && c.Status == store.Current {
			cancel()
		}
		return nil
	}
	l := quick
	l.look, l.settle = 5*time.Millisecond, time.Millisecond
	if err := Run(ctx, Options{Config: s.config(), Profile: Full, Sink: memory, limits: &l}); err != nil {
		t.Fatal(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("a new resource was never found")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if unchanged < 3 || asked-unchanged > 3 {
		t.Errorf("asked %d times, %d of them without a change: what is unchanged is not to be read again", asked, unchanged)
	}
}

// A change to a CustomResourceDefinition is reason to look what there is.
func TestFollowsDefinitions(t *testing.T) {
	const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	written := make(chan struct{})
	s := newServer(t, map[string][]step{
		podsPath:                       {holds(endOfList("1"))},
		"/apis/example.com/v1/widgets": {holds(endOfList("1"))},
		path: {func(w http.ResponseWriter, r *http.Request) {
			says(endOfList("1"))(w, r)
			<-written
			holds(event("ADDED", pod("widgets.example.com", "2")))(w, r)
		}},
	})
	s.groups = map[string][]metav1.APIResource{
		"apiextensions.k8s.io/v1": {kind("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", false)},
	}
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	memory := newSink()
	memory.cover = func(c store.Coverage) error {
		if c.Resource.Resource == "widgets" && c.Status == store.Current {
			cancel()
		}
		return nil
	}
	err := Run(ctx, Options{Config: s.config(), Profile: Full, Sink: memory, limits: &quick, Ready: func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.groups["example.com/v1"] = []metav1.APIResource{kind("example.com", "widgets", "Widget", true)}
		close(written)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the new resource was never recorded")
	}
}

// A stream that is not taken from stops reading, and loses nothing.
func TestMemoryIsBounded(t *testing.T) {
	const events, size = 400, 10_000
	lines := []string{endOfList("1")}
	padding := strings.Repeat("x", size)
	for range events {
		lines = append(lines, event("ADDED", strings.Replace(pod("a", "1000"), `"name"`, `"generateName":"`+padding+`","name"`, 1)))
	}
	s := newServer(t, map[string][]step{podsPath: {holds(lines...)}})
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	memory := newSink()
	seen := 0
	memory.append = func(e store.Event) error {
		if e.IsObject() {
			if seen++; seen == events {
				cancel()
			}
		}
		time.Sleep(100 * time.Microsecond)
		return nil
	}
	api, err := newClient(s.config())
	if err != nil {
		t.Fatal(err)
	}
	defer api.close()
	r := newRecording(Options{Config: s.config(), Profile: Minimal, Sink: memory, Memory: 5 * size, limits: &quick}, api)
	var most int64
	append := memory.append
	memory.append = func(e store.Event) error {
		r.queue.budget.mu.Lock()
		most = max(most, r.queue.budget.size-r.queue.budget.free)
		r.queue.budget.mu.Unlock()
		return append(e)
	}
	found, err := api.discover(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.run(ctx, found); err != nil {
		t.Fatal(err)
	}
	if seen != events {
		t.Errorf("%d events of %d", seen, events)
	}
	if most > 5*size {
		t.Errorf("%d bytes on their way, want at most %d", most, 5*size)
	}
}

func TestClock(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	wall, elapsed := start, time.Duration(0)
	c := newClock(func() time.Time { return wall }, func() time.Duration { return elapsed })
	for _, tt := range []struct {
		elapsed, wall, want time.Duration
	}{
		{time.Second, time.Second, time.Second},
		{time.Second, time.Second, time.Second},
		{2 * time.Second, 1500 * time.Millisecond, 2 * time.Second},                // drift
		{3 * time.Second, time.Hour, time.Hour},                                    // set forward, or suspended
		{4 * time.Second, time.Minute, time.Hour + time.Second},                    // set back
		{10 * time.Second, time.Minute + 6*time.Second, time.Hour + 7*time.Second}, // so durations stay right
		{11 * time.Second, time.Hour + 8*time.Second, time.Hour + 8*time.Second},   // set right
		{12 * time.Second, 2 * time.Hour, 2 * time.Hour},                           // set forward
		{11 * time.Second, time.Hour, 2 * time.Hour},                               // which cannot be
		{13 * time.Second, 2*time.Hour + time.Second, 2*time.Hour + 1*time.Second},
	} {
		wall, elapsed = start.Add(tt.wall), tt.elapsed
		if got := c.now().Sub(start); got != tt.want {
			t.Errorf("after %v, at %v, the clock says %v, want %v", tt.elapsed, tt.wall, got, tt.want)
		}
	}
}

func TestBudget(t *testing.T) {
	b := newBudget(100)
	never := make(chan struct{})
	if !b.take(1000, never) {
		t.Fatal("what is larger than the budget never gets it")
	}
	taken := make(chan bool)
	go func() { taken <- b.take(1, never) }()
	select {
	case <-taken:
		t.Fatal("taken twice")
	case <-time.After(10 * time.Millisecond):
	}
	b.give(1000)
	if !<-taken {
		t.Fatal("not taken after it was given back")
	}
	stop := make(chan struct{})
	close(stop)
	if b.take(100, stop) {
		t.Fatal("taken although it was spent")
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{shortest: time.Second, longest: 10 * time.Second}
	longest := time.Duration(0)
	for i := range 20 {
		d := b.next(0)
		if low := min(time.Second<<i, 10*time.Second) / 2; i < 10 && (d < low || d > 3*low) {
			t.Errorf("wait %d is %v, want %v ± 50 %%", i, d, 2*low)
		}
		longest = max(longest, d)
	}
	if longest > 15*time.Second {
		t.Errorf("waited %v, want at most %v", longest, 15*time.Second)
	}
	if d := b.next(time.Minute); d < time.Minute {
		t.Errorf("waited %v although the server asked for a minute", d)
	}
	b.reset()
	if d := b.next(0); d > 2*time.Second {
		t.Errorf("waited %v after a reset", d)
	}
}

// TestVanishedComesBack restarts an API server that does not know its custom
// resources at once: they are looked for long before the next regular
// discovery.
func TestVanishedComesBack(t *testing.T) {
	widget := kind("example.com", "widgets", "Widget", true)
	path := scope{resource: resourceOf(widget)}.path()
	var s *server
	served := func(yes bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.groups = map[string][]metav1.APIResource{}
		if yes {
			s.groups["example.com/v1"] = []metav1.APIResource{widget}
		}
	}
	s = newServer(t, map[string][]step{
		podsPath: {holds(endOfList("7"))},
		path: {
			says(endOfList("7")),
			func(w http.ResponseWriter, r *http.Request) {
				served(false)
				time.AfterFunc(100*time.Millisecond, func() { served(true) })
				refuse(404, "the server could not find the requested resource")(w, r)
			},
			holds(endOfList("9")),
		},
	})
	served(true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sink := newSink()
	back := false
	sink.append = func(e store.Event) error {
		if back = e.ResourceVersion == "9"; back {
			cancel()
		}
		return nil
	}
	if err := Run(ctx, Options{Config: s.config(), Profile: Full, Sink: sink, limits: &quick}); err != nil {
		t.Fatal(err)
	}
	if !back {
		t.Error("it was never listed again")
	}
}

// Being stopped says nothing about the server: no stream is said to have lost
// it, in whatever order the recorder's goroutines learn of the stop.
func TestStoppedIsNotSilent(t *testing.T) {
	l := quick
	l.pulse, l.answer, l.list, l.silence = time.Millisecond, time.Minute, time.Minute, time.Minute // the machine may be slow
	s := newServer(t, nil)
	script := map[string][]step{}
	for _, name := range []string{"pods", "services", "nodes", "events", "namespaces"} {
		s.resources = append(s.resources, kind("", name, name, false))
		script["/api/v1/"+name] = []step{holds(endOfList("7"))}
	}
	s.resources = s.resources[1:] // pods are there twice
	s.script = script
	for range 50 {
		ctx, cancel := context.WithTimeout(context.Background(), hang)
		memory := store.NewMemory(store.Header{})
		err := Run(ctx, Options{Config: s.config(), Profile: Minimal, Sink: memory, limits: &l, Ready: cancel})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		ledger, err := memory.Ledger(0, memory.Info().Last)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range ledger {
			if c.Status == store.Gap && c.Reason != store.Stopped {
				t.Fatalf("%s: %s", c.Resource.Resource, c.Reason)
			}
		}
	}
}
