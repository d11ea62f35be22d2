package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// TestBars measures what the commands promise. It prints, for each, a line
// `bench NAME VALUE UNIT`.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1 to measure")
	}
	t.Run("list", benchList)
	t.Run("watches", benchWatches)
}

// benchList lists 10,000 real-sized Pods from a file, each time as a server that
// was just opened: as JSON, and as the Table that kubectl asks for.
func benchList(t *testing.T) {
	const pods = 10_000
	template, err := os.ReadFile(filepath.Join("testdata", "pod.json"))
	if err != nil {
		t.Fatal(err)
	}
	name := rawjson.Text(template, "metadata.name")
	path := filepath.Join(t.TempDir(), "pods.db")
	f := newFilm(t)
	w, err := store.Create(path, f.m.Info().Header)
	if err != nil {
		t.Fatal(err)
	}
	say := func(e store.Event) {
		e.Time, e.Resource = f.step(), podsGVR
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	cover := func(status store.Status) {
		if _, err := w.Cover(store.Coverage{Time: f.step(), Resource: podsGVR, Status: status}); err != nil {
			t.Fatal(err)
		}
	}
	cover(store.Listing)
	say(store.Event{Type: store.Relist})
	for i := range pods {
		own := fmt.Sprintf("web-%05d", i)
		say(store.Event{
			Type: watch.Added, Namespace: "shop", Name: own, UID: types.UID(own), ResourceVersion: fmt.Sprint(100 + i),
			Object: bytes.ReplaceAll(template, []byte(name), []byte(own)),
		})
	}
	say(store.Event{Type: watch.Bookmark, ResourceVersion: "20000", Object: []byte(`{"metadata":{"resourceVersion":"20000","annotations":{"k8s.io/initial-events-end":"true"}}}`)})
	cover(store.Current)
	if _, err := w.Seal(f.step()); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct{ name, query, accept string }{
		{"serve_list_10000_ms", "", "application/json"},
		{"serve_table_10000_ms", "", "application/json;as=Table;v=v1;g=meta.k8s.io"},
		{"serve_table_pages_10000_ms", "limit=500", "application/json;as=Table;v=v1;g=meta.k8s.io"},
	} {
		var took []time.Duration
		for range 5 {
			took = append(took, func() time.Duration {
				r, err := store.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				s, err := New(r, Options{Token: "secret", Instants: []Instant{{Name: "end", Time: r.Info().End}}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				server := httptest.NewServer(s)
				defer server.Close()
				begin := time.Now()
				next, rows := "", 0
				for {
					body := fetch(t, server, "/api/v1/pods?"+c.query+"&continue="+next, c.accept)
					rows += bytes.Count(body, []byte(`"uid":"`+string(rawjson.Text(template, "metadata.uid"))))
					if next = rawjson.Text(rawjson.Member(body, "metadata"), "continue"); next == "" {
						break
					}
				}
				if rows < pods {
					t.Fatalf("%s: %d rows", c.name, rows)
				}
				return time.Since(begin)
			}())
		}
		slices.Sort(took)
		fmt.Printf("bench %s %.0f ms\n", c.name, float64(took[2].Microseconds())/1000)
	}
}

func fetch(t *testing.T, server *httptest.Server, path, accept string) []byte {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Accept", accept)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s (%v)", path, resp.StatusCode, body, err)
	}
	return body
}

// benchWatches plays changes of real-sized Pods to 200 watches at once and
// counts what they miss.
func benchWatches(t *testing.T) {
	const watches, changes = 200, 2000
	template, err := os.ReadFile(filepath.Join("testdata", "pod.json"))
	if err != nil {
		t.Fatal(err)
	}
	var pod map[string]json.RawMessage
	if err := json.Unmarshal(template, &pod); err != nil {
		t.Fatal(err)
	}
	f := newFilm(t)
	f.list(podsGVR, "", "100", object{namespace: "shop", name: "a", rv: "90"})
	from := f.at
	for i := range changes {
		f.hear(watch.Modified, podsGVR, object{
			namespace: "shop", name: "a", rv: fmt.Sprint(1000 + i),
			json: `"spec":` + string(pod["spec"]) + `,"status":` + string(pod["status"]),
		})
	}
	server := httptest.NewServer(f.serve(from, 1000)) // 1,000 changes a second
	defer server.Close()
	server.Client().Transport.(*http.Transport).MaxConnsPerHost = 0
	var wait sync.WaitGroup
	var mu sync.Mutex
	lost := 0
	begin := time.Now()
	for range watches {
		wait.Go(func() {
			if err := follow(t.Context(), server, changes); err != nil {
				mu.Lock()
				defer mu.Unlock()
				lost++
				if !strings.Contains(err.Error(), "context") {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	took := time.Since(begin)
	server.Client().CloseIdleConnections()
	fmt.Printf("bench serve_watches %d watches\n", watches)
	fmt.Printf("bench serve_watches_lost %d watches\n", lost)
	fmt.Printf("bench serve_watch_events_per_s %.0f events/s\n", float64(watches*changes)/took.Seconds())
}
