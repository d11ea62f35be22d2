package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a recording with a bit of everything: two Pods at first, one of which
// becomes ready and one of which goes.
func small(t testing.TB) *film {
	f := newFilm(t)
	f.list(podsGVR, "", "100",
		object{namespace: "shop", name: "a", rv: "90", labels: map[string]string{"app": "web", "tier": "front"}, json: `"spec":{"nodeName":"n1"},"status":{"phase":"Pending"}`},
		object{namespace: "shop", name: "b", rv: "91", labels: map[string]string{"app": "db"}, json: `"spec":{"nodeName":"n2"},"status":{"phase":"Running"}`},
	)
	f.list(core("secrets"), "shop", "100")
	f.cover(core("nodes"), "", store.Forbidden, `nodes is forbidden: User "ann" cannot list resource "nodes"`)
	f.hear(watch.Modified, podsGVR, object{namespace: "shop", name: "a", rv: "110", labels: map[string]string{"app": "web"}, json: `"spec":{"nodeName":"n1"},"status":{"phase":"Running"}`})
	f.hear(watch.Deleted, podsGVR, object{namespace: "shop", name: "b", rv: "111", labels: map[string]string{"app": "db"}})
	f.hear(watch.Added, podsGVR, object{namespace: "shop-east", name: "a", rv: "112", labels: map[string]string{"app": "web"}})
	return f
}

func TestOnlyReading(t *testing.T) {
	f := small(t)
	s := f.serve(f.at, 0)
	for _, c := range []struct {
		method, path string
		code         int
	}{
		{"POST", "/api/v1/namespaces/shop/pods", 405},
		{"PUT", "/api/v1/namespaces/shop/pods/a", 405},
		{"PATCH", "/api/v1/namespaces/shop/pods/a/status", 405},
		{"DELETE", "/api/v1/namespaces/shop/pods/a", 405},
		{"DELETE", "/at/end/api/v1/namespaces/shop/pods", 405},
		{"OPTIONS", "/api/v1/pods", 405},
		{"CONNECT", "/api/v1/namespaces/shop/pods/a/exec", 405},
		{"POST", "/api/v1/namespaces/shop/pods/a/eviction", 405},
		{"POST", "/api/v1/namespaces/shop/pods/a/exec", 405},
		{"GET", "/api/v1/namespaces/shop/pods/a/exec", 405},
		{"GET", "/api/v1/namespaces/shop/pods/a/attach", 405},
		{"GET", "/api/v1/namespaces/shop/pods/a/portforward", 405},
		{"GET", "/api/v1/namespaces/shop/pods/a/proxy/metrics", 405},
		{"GET", "/api/v1/namespaces/shop/pods/a/log", 503},
		{"GET", "/api/v1/namespaces/shop/pods/a/status", 200},
		{"POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", 405},
		{"POST", "/apis/authentication.k8s.io/v1/tokenreviews", 405},
		{"POST", "/version", 405},
	} {
		w := httptest.NewRecorder()
		r := request(t.Context(), c.path, "")
		r.Method = c.method
		s.ServeHTTP(w, r)
		if w.Code != c.code {
			t.Errorf("%s %s: %d %s; want %d", c.method, c.path, w.Code, w.Body, c.code)
		}
		var status metav1.Status
		if err := json.Unmarshal(w.Body.Bytes(), &status); c.code != 200 && (err != nil || status.Kind != "Status" || int(status.Code) != c.code) {
			t.Errorf("%s %s: %s is not a Status (%v)", c.method, c.path, w.Body, err)
		}
	}
	r := request(t.Context(), "/api/v1/namespaces/shop/pods/a", "")
	r.Header.Set("Upgrade", "websocket")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("an upgrade: %d", w.Code)
	}
}

func TestToken(t *testing.T) {
	f := small(t)
	s := f.serve(f.at, 0)
	for _, header := range []string{"", "Bearer", "Bearer wrong", "Bearer secret2", "Basic c2VjcmV0", "secret"} {
		for _, path := range []string{"/", "/version", "/healthz", "/api/v1/pods", "/at/end/api", "/openapi/v3", "/nowhere"} {
			r := request(t.Context(), path, "")
			r.Header.Set("Authorization", header)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%s with %q: %d %s", path, header, w.Code, w.Body)
			}
		}
	}
}

func TestNotRecorded(t *testing.T) {
	f := small(t)
	f.cover(podsGVR, "", store.Gap, "watch closed\nby \"the server\"")
	s := f.serve(start.Add(3*time.Second), 0)
	for _, c := range []struct {
		path, message string
	}{
		{"/api/v1/configmaps", "configmaps were not recorded"},
		{"/api/v1/namespaces/shop/configmaps/x", "configmaps were not recorded"},
		{"/apis/events.k8s.io/v1/events", "ask for events.v1."},
		{"/at/end/api/v1/nodes", `cannot list resource "nodes"`},
		{"/at/end/api/v1/namespaces/other/secrets", "secrets in other were not recorded, only those in shop"},
		{"/api/v1/namespaces/shop/secrets", "secrets in shop were not recorded yet at 2026-11-23T14:00:03Z"},
	} {
		w := get(t, s, c.path, "")
		var status metav1.Status
		if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil {
			t.Fatal(err)
		}
		if w.Code != 503 || status.Reason != ReasonNotRecorded || !strings.Contains(status.Message, c.message) {
			t.Errorf("%s: %d %s; want %q", c.path, w.Code, w.Body, c.message)
		}
	}
	for path, warning := range map[string]string{
		"/api/v1/pods":                              `299 svcspy "pods were still being listed at 2026-11-23T14:00:03Z: some may be missing"`,
		"/at/end/api/v1/pods":                       `(watch closed by \"the server\"): this may be outdated"`,
		"/at/end/api/v1/secrets":                    `299 svcspy "secrets were recorded only in shop"`,
		"/at/end/api/v1/namespaces/shop/secrets":    "",
		"/at/end/api/v1/namespaces/shop/pods/a":     "this may be outdated",
		"/at/end/api/v1/namespaces/shop/pods/never": "this may be outdated",
	} {
		w := get(t, s, path, "")
		if got := strings.Join(w.Header().Values("Warning"), "; "); !strings.Contains(got, warning) || (got == "") != (warning == "") {
			t.Errorf("%s warns %q; want %q", path, got, warning)
		}
	}
}

func TestGetAndList(t *testing.T) {
	f := small(t)
	s := f.serve(start.Add(9*time.Second), 0) // after the first list
	first := get(t, s, "/api/v1/namespaces/shop/pods/a", "").Body.String()
	if want := `"resourceVersion":"90"`; !strings.Contains(first, want) {
		t.Errorf("at first: %s; want %s", first, want)
	}
	if last := get(t, s, "/at/end/api/v1/namespaces/shop/pods/a", "").Body.String(); !strings.Contains(last, `"resourceVersion":"110"`) {
		t.Errorf("at the end: %s", last)
	}
	w := get(t, s, "/at/end/api/v1/namespaces/shop/pods/b", "")
	want := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"b\" not found","reason":"NotFound","details":{"name":"b","kind":"pods"},"code":404}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); w.Code != 404 || diff != "" {
		t.Errorf("a deleted Pod: %d (-want +got)\n%s", w.Code, diff)
	}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", []string{"shop-east/a", "shop/a"}}, // as etcd's keys: '-' is before '/'
		{"?labelSelector=app=web", []string{"shop-east/a", "shop/a"}},
		{"?labelSelector=app%20in%20(db,web),!tier", []string{"shop-east/a", "shop/a"}},
		{"?labelSelector=app!=web", []string{}},
		{"?labelSelector=tier", []string{}},
		{"?fieldSelector=metadata.namespace=shop", []string{"shop/a"}},
		{"?fieldSelector=metadata.namespace!=shop", []string{"shop-east/a"}},
		{"?fieldSelector=metadata.name=a,spec.nodeName=n1", []string{"shop/a"}},
		{"?fieldSelector=status.phase!=Running", []string{"shop-east/a"}},
		{"?fieldSelector=spec.hostNetwork=false", []string{"shop-east/a", "shop/a"}},
		{"?fieldSelector=status.podIPs=1.2.3.4", []string{}},
	} {
		got, list := listed(t, s, "/at/end/api/v1/pods"+c.query)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("pods%s (-want +got):\n%s", c.query, diff)
		}
		if list.ResourceVersion != "112" {
			t.Errorf("pods%s: resourceVersion %s, want 112", c.query, list.ResourceVersion)
		}
	}
	if got, list := listed(t, s, "/api/v1/namespaces/shop/pods"); list.ResourceVersion != "100" || len(got) != 2 {
		t.Errorf("at first: %v at %s, want a and b at 100", got, list.ResourceVersion)
	}
}

func TestBadRequests(t *testing.T) {
	f := small(t)
	s := f.serve(f.at, 0)
	for path, want := range map[string]string{
		"/api/v1/pods?fieldSelector=spec.x=y": "400 field label not supported: spec.x",
		"/api/v1/pods?labelSelector=a+in+b":   "400 unable to parse requirement: found 'b' expected: '('",
		"/api/v1/pods?limit=x":                "400 strconv.ParseInt",
		"/api/v1/pods?continue=%25":           "400 continue key is not valid",
		"/api/v1/pods?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0": "410 the continue token is not of this recording",
		"/api/v1/pods?resourceVersionMatch=Exact":                                       "422",
		"/api/v1/pods?watch=1&sendInitialEvents=true":                                   "422",
		"/api/v1/pods/a":          "404 the server could not find the requested resource",
		"/api/v2/pods":            "404 pods were recorded as v1: a recording does not convert versions",
		"/apis/none/v1/nothing":   "404 the server could not find the requested resource",
		"/apis/none":              "404",
		"/at/nowhere/api/v1/pods": `404 no instant "nowhere" is served`,
		"/openapi/v2":             "404 OpenAPI v2 was not recorded",
		"/api/v1/namespaces/shop/pods/a?fieldSelector=metadata.name%3Db&watch=true":                "400 fieldSelector metadata.name doesn't match requested name",
		"/api/v1/namespaces/shop/pods?continue=" + token{Seq: 1 << 60, RV: "1"}.String():           "410",
		"/api/v1/namespaces/shop/pods?continue=" + token{Seq: 1, RV: "1", Start: -1}.String():      "410",
		"/api/v1/namespaces/shop/pods?resourceVersion=5&resourceVersionMatch=NotOlderThan&limit=1": "200",
	} {
		w := get(t, s, path, "")
		var status metav1.Status
		if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %s", w.Code, status.Message); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s; want %s", path, got, want)
		}
	}
	if w := get(t, s, "/api/v1/pods", "application/vnd.kubernetes.protobuf"); w.Code != http.StatusNotAcceptable {
		t.Errorf("protobuf only: %d %s", w.Code, w.Body)
	}
	if w := get(t, s, "/api/v1/pods", "application/vnd.kubernetes.protobuf,application/json"); w.Code != http.StatusOK {
		t.Errorf("protobuf or JSON: %d %s", w.Code, w.Body)
	}
}

func TestPages(t *testing.T) {
	f := newFilm(t)
	var objects []object
	for _, namespace := range []string{"kube", "kube-system", "kube.x", "shop"} {
		for i := range 7 {
			objects = append(objects, object{namespace: namespace, name: fmt.Sprintf("p%d", i), rv: fmt.Sprint(10 + len(objects)), labels: map[string]string{"i": fmt.Sprint(i)}})
		}
	}
	f.list(podsGVR, "", "100", objects...)
	s := f.serve(f.at, 0)
	for _, query := range []string{"limit=5", "limit=1&labelSelector=i%20in%20(2,3)", "limit=28", "limit=100", "limit=3&fieldSelector=metadata.name!=p0"} {
		whole, _ := listed(t, s, "/api/v1/pods?"+query[strings.Index(query, "&")+1:])
		if !strings.Contains(query, "&") {
			whole, _ = listed(t, s, "/api/v1/pods")
		}
		var got []string
		next := ""
		for range 40 {
			page, list := listed(t, s, "/api/v1/pods?"+query+"&continue="+url.QueryEscape(next))
			got = append(got, page...)
			if next = list.Continue; next == "" {
				break
			}
			if left := list.RemainingItemCount; !strings.Contains(query, "Selector") && (left == nil || int(*left) != len(whole)-len(got)) {
				t.Errorf("%s: after %d of %d: %v remain", query, len(got), len(whole), left)
			}
		}
		if diff := cmp.Diff(whole, got); diff != "" || len(whole) == 0 {
			t.Errorf("%s (-whole +pages):\n%s", query, diff)
		}
	}
}

func TestReviews(t *testing.T) {
	f := small(t)
	s := f.serve(f.at, 0)
	for _, c := range []struct{ path, body, want string }{
		{"selfsubjectaccessreviews", `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":"list","resource":"pods"}}}`, `"allowed":true`},
		{"selfsubjectaccessreviews", `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":"delete","resource":"pods"}}}`, `"allowed":false,"denied":true`},
		{"selfsubjectaccessreviews", `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":"get","resource":"pods","subresource":"exec"}}}`, `"allowed":false,"denied":true`},
		{"selfsubjectaccessreviews", `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":"get","resource":"pods","subresource":"log"}}}`, `"allowed":true`},
		{"selfsubjectaccessreviews", `{`, `"reason":"BadRequest"`},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/apis/authorization.k8s.io/v1/"+c.path, bytes.NewBufferString(c.body))
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s; want %s", c.path, c.body, w.Code, w.Body, c.want)
		}
	}
}

func TestNew(t *testing.T) {
	f := small(t)
	for name, o := range map[string]Options{
		"no token":      {Instants: []Instant{{Name: "x", Time: f.at}}},
		"no instant":    {Token: "t"},
		"no clock":      {Token: "t", Speed: 1, Instants: []Instant{{Name: "x", Time: f.at}}},
		"bad name":      {Token: "t", Instants: []Instant{{Name: "a/b", Time: f.at}}},
		"twice":         {Token: "t", Instants: []Instant{{Name: "x", Time: f.at}, {Name: "x", Time: f.at}}},
		"behind it all": {Token: "t", Instants: []Instant{{Name: "x", Time: f.at, Seq: 1000}}},
	} {
		if s, err := New(f.m, o); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
}
