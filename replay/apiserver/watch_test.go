package apiserver

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// listen serves over HTTP and returns a function that watches a path until it
// has heard a number of events, which it returns as "TYPE namespace/name@rv".
// Once it is answered it calls connected, unless that is nil.
func listen(t testing.TB, s *Server, connected func()) func(path, accept string, n int) []string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client := server.Client()
	t.Cleanup(client.CloseIdleConnections)
	return func(path, accept string, n int) []string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer secret")
		r.Header.Set("Accept", accept)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if connected != nil {
			connected()
		}
		var heard []string
		lines := bufio.NewReader(resp.Body)
		for len(heard) < n {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				heard = append(heard, err.Error())
				break
			}
			heard = append(heard, brief(t, line))
		}
		return heard
	}
}

func brief(t testing.TB, line []byte) string {
	t.Helper()
	var e struct {
		Type   string
		Object struct {
			metav1.PartialObjectMetadata
			Rows []struct {
				Cells []any
			}
			ColumnDefinitions []any
			Code              int
		}
	}
	if err := json.Unmarshal(line, &e); err != nil {
		t.Errorf("event %s: %v", line, err)
		return ""
	}
	o := e.Object
	switch {
	case e.Type == "ERROR":
		return fmt.Sprintf("ERROR %d", o.Code)
	case o.Kind == "Table":
		return fmt.Sprintf("%s %d columns %v", e.Type, len(o.ColumnDefinitions), o.Rows[0].Cells)
	}
	s := fmt.Sprintf("%s %s/%s@%s", e.Type, o.Namespace, o.Name, o.ResourceVersion)
	if o.Annotations[store.InitialEventsEnd] != "" {
		s += " end"
	}
	if between := o.Annotations[DerivedAnnotation]; between != "" {
		s += " between " + between
	}
	return s
}

// gap goes on with small after the recorder lost its watch: Pod a has changed
// meanwhile, shop-east/a is another Pod, c is new, d came and went.
func gap(t testing.TB) *film {
	f := small(t)
	f.bookmark(podsGVR, "", "115", false)
	f.hear(watch.Added, podsGVR, object{namespace: "shop", name: "d", rv: "120"})
	f.cover(podsGVR, "", store.Gap, "410 Gone")
	f.list(podsGVR, "", "200",
		object{namespace: "shop", name: "a", rv: "150", labels: map[string]string{"app": "web"}},
		object{namespace: "shop", name: "c", rv: "140"},
		object{namespace: "shop-east", name: "a", uid: "another", rv: "160", labels: map[string]string{"app": "web"}},
	)
	f.hear(watch.Modified, podsGVR, object{namespace: "shop", name: "c", rv: "210", labels: map[string]string{"app": "web"}})
	f.hear(watch.Modified, podsGVR, object{namespace: "shop", name: "c", rv: "220"})
	return f
}

// heldClock stands still until all that it waits for are connected.
type heldClock struct {
	waiting atomic.Int32
	once    sync.Once
	since   time.Time
}

func (c *heldClock) connected() { c.waiting.Add(-1) }

func (c *heldClock) now() time.Time {
	if c.waiting.Load() > 0 {
		return start
	}
	c.once.Do(func() { c.since = time.Now() })
	return start.Add(time.Since(c.since))
}

const fast = 2000 // recorded seconds a second

func TestWatchPlays(t *testing.T) {
	f := gap(t)
	watches := []struct {
		name, path string
		want       []string
	}{
		{"from a list", "/api/v1/pods?watch=1&resourceVersion=100", []string{
			"MODIFIED shop/a@110", "DELETED shop/b@111", "ADDED shop-east/a@112", "ADDED shop/d@120",
			"MODIFIED shop/a@150", "ADDED shop/c@140", "DELETED shop-east/a@160 between 14-22", "ADDED shop-east/a@160",
			"DELETED shop/d@200 between 16-23", "MODIFIED shop/c@210", "MODIFIED shop/c@220",
		}},
		{"from anything", "/api/v1/namespaces/shop/pods?watch=1", []string{
			"ADDED shop/a@90", "ADDED shop/b@91", "MODIFIED shop/a@110", "DELETED shop/b@111",
		}},
		{"with bookmarks", "/api/v1/pods?watch=1&allowWatchBookmarks=1&resourceVersion=100", []string{
			"MODIFIED shop/a@110", "DELETED shop/b@111", "ADDED shop-east/a@112", "BOOKMARK /@115", "ADDED shop/d@120",
		}},
		{"as a list", "/api/v1/pods?watch=1&allowWatchBookmarks=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan", []string{
			"ADDED shop/a@90", "ADDED shop/b@91", "BOOKMARK /@100 end", "MODIFIED shop/a@110",
		}},
		{"by label", "/api/v1/pods?watch=1&resourceVersion=100&labelSelector=app=web", []string{
			"MODIFIED shop/a@110", "ADDED shop-east/a@112", "MODIFIED shop/a@150",
			"DELETED shop-east/a@160 between 14-22", "ADDED shop-east/a@160", "ADDED shop/c@210", "DELETED shop/c@220",
		}},
		{"by label that goes", "/api/v1/pods?watch=1&resourceVersion=100&labelSelector=tier=front", []string{"DELETED shop/a@110"}},
		{"by field", "/api/v1/namespaces/shop/pods?watch=1&resourceVersion=100&fieldSelector=status.phase=Running", []string{
			"ADDED shop/a@110", "DELETED shop/b@111", "DELETED shop/a@150",
		}},
		{"by name", "/api/v1/namespaces/shop/pods/c?watch=1&resourceVersion=100", []string{
			"ADDED shop/c@140", "MODIFIED shop/c@210", "MODIFIED shop/c@220",
		}},
	}
	var wait sync.WaitGroup
	clock := &heldClock{}
	clock.waiting.Store(int32(len(watches))) // before any of them nothing moves
	s := f.serveBy(start.Add(9*time.Second), fast, clock.now)
	ask := listen(t, s, clock.connected)
	for _, c := range watches {
		wait.Go(func() {
			got := ask(c.path, "application/json", len(c.want))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		})
	}
	wait.Wait()
	// Everything has been played: the same from a position far behind, and from
	// where clients that were cut off resume.
	for version, want := range map[string]string{
		"50": "MODIFIED shop/a@110", "111": "ADDED shop-east/a@112", "113": "ADDED shop/d@120", "120": "MODIFIED shop/a@150", "200": "MODIFIED shop/c@210",
	} {
		if got := ask("/api/v1/pods?watch=1&resourceVersion="+version, "", 1); got[0] != want {
			t.Errorf("from %s: %s, want %s", version, got[0], want)
		}
	}
	if got := ask(watches[0].path, "application/json", len(watches[0].want)); cmp.Diff(watches[0].want, got) != "" {
		t.Errorf("afterwards (-want +got):\n%s", cmp.Diff(watches[0].want, got))
	}
	if names, list := listed(t, s, "/api/v1/pods"); cmp.Diff(names, []string{"shop-east/a", "shop/a", "shop/c"}) != "" || list.ResourceVersion != "220" {
		t.Errorf("at the end: %v at %s", names, list.ResourceVersion)
	}
	if names, _ := listed(t, s, "/api/v1/pods?resourceVersion=112&resourceVersionMatch=Exact"); cmp.Diff(names, []string{"shop-east/a", "shop/a"}) != "" {
		t.Errorf("at 112: %v", names)
	}
}

func TestWatchTable(t *testing.T) {
	f := small(t)
	clock := &heldClock{}
	clock.waiting.Store(1)
	ask := listen(t, f.serveBy(start.Add(9*time.Second), fast, clock.now), clock.connected)
	got := ask("/api/v1/namespaces/shop/pods?watch=1", "application/json;as=Table;v=v1;g=meta.k8s.io", 4)
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], got[i][strings.LastIndex(got[i], " 0 ")+3:], "...") // ages
	}
	want := []string{"ADDED 9 columns [a 0/0 Pending 0 ...", "ADDED 0 columns [b 0/0 Running 0 ...", "MODIFIED 0 columns [a 0/0 Running 0 ...", "DELETED 0 columns [b 0/0  0 ..."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWatchStill(t *testing.T) {
	f := small(t)
	s := f.serve(start.Add(9*time.Second), 0)
	ask := listen(t, s, nil)
	if got := ask("/api/v1/pods?watch=1&timeoutSeconds=1", "", 3); cmp.Diff(got, []string{"ADDED shop/a@90", "ADDED shop/b@91", "EOF"}) != "" {
		t.Errorf("a watch at a fixed instant: %v", got)
	}
	done := make(chan []string)
	go func() { done <- ask("/api/v1/pods?watch=1&resourceVersion=100", "", 1) }()
	s.Close()
	if got := <-done; cmp.Diff(got, []string{"EOF"}) != "" {
		t.Errorf("a watch when the server stops: %v", got)
	}
}

// TestManyWatches plays more changes than are kept, to more watches than
// processors, and none of them may miss or repeat any.
func TestManyWatches(t *testing.T) {
	const changes, watches = 3 * keepRecent, 20
	f := newFilm(t)
	f.list(podsGVR, "", "100", object{namespace: "shop", name: "a", rv: "90"})
	from := f.at
	for i := range changes {
		f.hear(watch.Modified, podsGVR, object{namespace: "shop", name: "a", rv: fmt.Sprint(1000 + i)})
	}
	server := httptest.NewServer(f.serve(from, 20*fast))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	var wait sync.WaitGroup
	for range watches {
		wait.Go(func() {
			if err := follow(t.Context(), server, changes); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// follow watches Pods and checks that their versions are 1000, 1001, ...
func follow(ctx context.Context, server *httptest.Server, changes int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/pods?watch=1&resourceVersion=100", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer secret")
	resp, err := server.Client().Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for i := range changes {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("after %d changes: %w", i, err)
		}
		if got, want := rawjson.Text(line, "object.metadata.resourceVersion"), fmt.Sprint(1000+i); got != want {
			return fmt.Errorf("change %d has version %s, want %s", i, got, want)
		}
	}
	return nil
}
