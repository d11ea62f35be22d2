package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

var start = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

var (
	podsGVR    = core("pods")
	widgetsGVR = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
)

// film makes a recording by hand, one second per step.
type film struct {
	t  testing.TB
	m  *store.Memory
	at time.Time
}

func newFilm(t testing.TB) *film {
	all := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	resource := func(group, version, name, kind string, namespaced bool) metav1.APIResource {
		return metav1.APIResource{Group: group, Version: version, Name: name, SingularName: name[:len(name)-1], Kind: kind, Namespaced: namespaced, Verbs: all}
	}
	pods := resource("", "v1", "pods", "Pod", true)
	pods.ShortNames, pods.Categories = []string{"po"}, []string{"all"}
	header := store.Header{
		ID: "film", Start: start,
		Cluster: store.Cluster{Version: "v1.37.2"},
		Resources: []metav1.APIResource{
			pods,
			resource("", "v1", "configmaps", "ConfigMap", true),
			resource("", "v1", "events", "Event", true),
			resource("", "v1", "namespaces", "Namespace", false),
			resource("", "v1", "nodes", "Node", false),
			resource("", "v1", "secrets", "Secret", true),
			{Version: "v1", Name: "bindings", Kind: "Binding", Namespaced: true, Verbs: []string{"create"}},
			resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false),
			resource("apps", "v1", "deployments", "Deployment", true),
			{Group: "authorization.k8s.io", Version: "v1", Name: "selfsubjectaccessreviews", Kind: "SelfSubjectAccessReview", Verbs: []string{"create"}},
			resource("events.k8s.io", "v1", "events", "Event", true),
			resource("example.com", "v1", "widgets", "Widget", true),
			resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", false),
		},
	}
	return &film{t, store.NewMemory(header), start}
}

func (f *film) step() time.Time {
	f.at = f.at.Add(time.Second)
	return f.at
}

func (f *film) cover(gvr schema.GroupVersionResource, namespace string, status store.Status, reason string) {
	f.t.Helper()
	if _, err := f.m.Cover(store.Coverage{Time: f.step(), Resource: gvr, Namespace: namespace, Status: status, Reason: reason}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *film) add(e store.Event) store.Seq {
	f.t.Helper()
	e.Time = f.step()
	seq, err := f.m.Append(e)
	if err != nil {
		f.t.Fatal(err)
	}
	return seq
}

// list records a list of a whole resource, which ends at a resourceVersion, and
// that the watch is open then.
func (f *film) list(gvr schema.GroupVersionResource, namespace, rv string, objects ...object) {
	f.t.Helper()
	f.cover(gvr, namespace, store.Listing, "")
	f.add(store.Event{Type: store.Relist, Resource: gvr, Namespace: namespace})
	for _, o := range objects {
		f.hear(watch.Added, gvr, o)
	}
	f.bookmark(gvr, namespace, rv, true)
	f.cover(gvr, namespace, store.Current, "")
}

func (f *film) bookmark(gvr schema.GroupVersionResource, namespace, rv string, end bool) {
	f.t.Helper()
	annotations := ""
	if end {
		annotations = `,"annotations":{"k8s.io/initial-events-end":"true"}`
	}
	f.add(store.Event{
		Type: watch.Bookmark, Resource: gvr, Namespace: namespace, ResourceVersion: rv,
		Object: fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q%s}}`, rv, annotations),
	})
}

// object is an object of a film. JSON is what it has beside its metadata.
type object struct {
	namespace, name, uid, rv string
	labels                   map[string]string
	json                     string
}

func (f *film) hear(kind watch.EventType, gvr schema.GroupVersionResource, o object) store.Seq {
	f.t.Helper()
	kindName := "Unknown"
	for _, r := range f.m.Info().Resources {
		if r.Name == gvr.Resource && r.Group == gvr.Group {
			kindName = r.Kind
		}
	}
	if o.uid == "" {
		o.uid = "uid-" + o.name
	}
	labels, err := json.Marshal(o.labels)
	if err != nil {
		f.t.Fatal(err)
	}
	namespace := ""
	if o.namespace != "" {
		namespace = fmt.Sprintf(`"namespace":%q,`, o.namespace)
	}
	rest := o.json
	if rest != "" {
		rest = "," + rest
	}
	return f.add(store.Event{
		Type: kind, Resource: gvr, Namespace: o.namespace, Name: o.name, UID: types.UID(o.uid), ResourceVersion: o.rv,
		Object: fmt.Appendf(nil, `{"kind":%q,"apiVersion":%q,"metadata":{"name":%q,%s"uid":%q,"resourceVersion":%q,"creationTimestamp":"2026-11-23T13:59:00Z","labels":%s}%s}`,
			kindName, gvr.GroupVersion(), o.name, namespace, o.uid, o.rv, labels, rest),
	})
}

// serve serves the film from a moment.
func (f *film) serve(from time.Time, speed float64) *Server {
	f.t.Helper()
	return f.serveBy(from, speed, time.Now)
}

func (f *film) serveBy(from time.Time, speed float64, now func() time.Time) *Server {
	f.t.Helper()
	s, err := New(f.m, Options{
		Token: "secret", Instants: []Instant{{Name: "first", Time: from}, {Name: "end", Time: f.at}},
		Speed: speed, Now: now,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(s.Close)
	return s
}

// request is a GET with the token.
func request(ctx context.Context, target, accept string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	r.Header.Set("Authorization", "Bearer secret")
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return r
}

// get asks and returns the answer.
func get(t testing.TB, s *Server, target, accept string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, request(t.Context(), target, accept))
	return w
}

// listed asks for a list and returns the names in it, and its metadata.
func listed(t testing.TB, s *Server, target string) ([]string, metav1.ListMeta) {
	t.Helper()
	w := get(t, s, target, "")
	var list metav1.PartialObjectMetadataList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s (%v)", target, w.Code, w.Body, err)
	}
	names := []string{}
	for _, o := range list.Items {
		names = append(names, o.Namespace+"/"+o.Name)
	}
	return names, list.ListMeta
}

func core(resource string) schema.GroupVersionResource { return v1("", resource) }

func v1(group, resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}
}
