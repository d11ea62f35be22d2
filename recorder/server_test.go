package recorder

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// server is an API server that follows a script: the nth request for a path is
// answered by its nth step, and the last step answers all that come after.
type server struct {
	*httptest.Server

	mu        sync.Mutex
	resources []metav1.APIResource            // of core/v1
	groups    map[string][]metav1.APIResource // others, by group version
	script    map[string][]step
	newest    string   // the resourceVersion it says it is at, "1" if it is not set; that is no step
	probe     step     // what a second watch that asks for a bookmark is told; nil: that nothing happened; no step either
	queries   []string // of scripted paths, in order, without timeoutSeconds
}

// asScripted leaves it to the script to say what is newest.
const asScripted = "as scripted"

// mayNotList refuses to say what is newest.
const mayNotList = "may not list"

// step answers one request.
type step func(w http.ResponseWriter, r *http.Request)

func newServer(t testing.TB, script map[string][]step) *server {
	s := startServer(script)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func startServer(script map[string][]step) *server {
	s := &server{script: script, resources: []metav1.APIResource{kind("", "pods", "Pod", true)}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// newModelServer serves a model. It must be closed.
func newModelServer(m *model) *server {
	s := startServer(map[string][]step{podsPath: {m.serve}})
	s.newest = asScripted
	return s
}

func (s *server) config() *rest.Config { return &rest.Config{Host: s.URL} }

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if r.URL.RawQuery == "limit=1" && s.script[r.URL.Path] != nil && s.newest != asScripted {
		newest := cmp.Or(s.newest, "1")
		s.mu.Unlock()
		if newest == mayNotList {
			refuse(403, "pods is forbidden")(w, r)
			return
		}
		fmt.Fprint(w, page(newest, ""))
		return
	}
	if q := r.URL.Query(); q.Get("timeoutSeconds") == strconv.Itoa(probeSeconds) && s.script[r.URL.Path] != nil && s.newest != asScripted {
		probe := s.probe
		s.mu.Unlock()
		if probe == nil {
			probe = says(bookmark(q.Get("resourceVersion")))
		}
		probe(w, r)
		return
	}
	steps := s.script[r.URL.Path]
	if len(steps) > 1 {
		s.script[r.URL.Path] = steps[1:]
	}
	if len(steps) > 0 {
		q := r.URL.Query()
		q.Del("timeoutSeconds")
		q.Del("allowWatchBookmarks")
		s.queries = append(s.queries, q.Encode())
	}
	resources, groups := slices.Clone(s.resources), maps.Clone(s.groups)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	group := groups[strings.TrimPrefix(r.URL.Path, "/apis/")]
	switch {
	case len(steps) > 0:
		steps[0](w, r)
	case r.URL.Path == "/version":
		fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
	case r.URL.Path == "/api":
		fmt.Fprint(w, `{"kind":"APIVersions","versions":["v1"]}`)
	case r.URL.Path == "/apis":
		list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
		for gv := range groups {
			name, version, _ := strings.Cut(gv, "/")
			v := metav1.GroupVersionForDiscovery{GroupVersion: gv, Version: version}
			list.Groups = append(list.Groups, metav1.APIGroup{Name: name, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
		}
		json.NewEncoder(w).Encode(list)
	case group != nil:
		json.NewEncoder(w).Encode(metav1.APIResourceList{GroupVersion: strings.TrimPrefix(r.URL.Path, "/apis/"), APIResources: group})
	case r.URL.Path == "/api/v1":
		json.NewEncoder(w).Encode(metav1.APIResourceList{GroupVersion: "v1", APIResources: resources})
	case r.URL.Path == "/api/v1/namespaces/kube-system":
		fmt.Fprint(w, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"cluster-uid"}}`)
	default:
		refuse(404, "the server could not find the requested resource")(w, r)
	}
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.queries...)
}

// refuse answers with a Status.
func refuse(code int, message string, header ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		w.Write(statusObject(code, message))
	}
}

func statusObject(code int, message string) []byte {
	b, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(code), Message: message,
	})
	return b
}

// says sends the lines and closes.
func says(lines ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, line := range lines {
			fmt.Fprintln(w, line)
			w.(http.Flusher).Flush()
		}
	}
}

// holds sends the lines and stays open until the client goes.
func holds(lines ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		says(lines...)(w, r)
		<-r.Context().Done()
	}
}

// later waits before it does what follows, after the header has been sent.
func later(d time.Duration, next step) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		time.Sleep(d)
		next(w, r)
	}
}

// both does one after the other.
func both(first, then step) step {
	return func(w http.ResponseWriter, r *http.Request) {
		first(w, r)
		then(w, r)
	}
}

// paged answers each list with two pages.
func paged(first, second string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		text := first
		if r.URL.Query().Get("continue") != "" {
			text = second
		}
		says(text)(w, r)
	}
}

// cuts sends a text without its end and breaks the connection.
func cuts(text string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, text)
		w.(http.Flusher).Flush()
		time.Sleep(5 * time.Millisecond) // the bytes may go before the connection does
		panic(http.ErrAbortHandler)
	}
}

// hangs does not answer at all.
func hangs(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// pod is a Pod in namespace shop.
func pod(name, resourceVersion string) string {
	return fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":%q,"namespace":"shop","uid":"uid-%s","resourceVersion":%q}}`, name, name, resourceVersion)
}

func event(kind, object string) string {
	return fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object)
}

func bookmark(resourceVersion string) string {
	return event("BOOKMARK", fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":%q,"creationTimestamp":null},"spec":{"containers":null},"status":{}}`, resourceVersion))
}

func endOfList(resourceVersion string) string {
	return event("BOOKMARK", fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":%q,"annotations":{"k8s.io/initial-events-end":"true"}}}`, resourceVersion))
}

// page is one page of a list of Pods, whose items have no kind.
func page(resourceVersion, next string, items ...string) string {
	for i, item := range items {
		items[i] = strings.Replace(item, `"kind":"Pod","apiVersion":"v1",`, "", 1)
	}
	return fmt.Sprintf(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":%q,"continue":%q},"items":[%s]}`,
		resourceVersion, next, strings.Join(items, ","))
}
