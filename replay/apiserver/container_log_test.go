package apiserver

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// TestLogs: kubectl logs has the lines that were recorded, and says so of all others.
func TestLogs(t *testing.T) {
	f := newFilm(t)
	f.list(podsGVR, "", "100", object{namespace: "shop", name: "a", uid: "u1", rv: "90"}, object{namespace: "shop", name: "b", uid: "u2", rv: "91"})
	log := func(pod, uid, container, rest string) {
		f.add(store.Event{
			Type: watch.Added, Resource: kinds.ContainerLogs, Namespace: "shop", Name: pod + "." + container, UID: types.UID(uid + "." + container), ResourceVersion: "101",
			Object: fmt.Appendf(nil, `{"apiVersion":"svcspy.dev/v1","kind":"ContainerLog","metadata":{"name":"%s.%s","namespace":"shop","uid":"%s.%[2]s","ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":%[1]q,"uid":%[3]q}]},"container":%[2]q,%[4]s}`, pod, container, uid, rest),
		})
	}
	log("a", "u1", "app", `"cut":true,"lines":["2026-11-30T14:00:00Z one","2026-11-30T14:00:01Z two words"]`)
	log("a", "u1", "side", `"lines":[],"error":"container is gone"`)
	s := f.serve(f.at, 0)
	for _, c := range []struct {
		path string
		code int
		body string // all of it; of an error its code alone counts
	}{
		{"a/log?container=app", 200, "one\ntwo words\n"},
		{"a/log?container=app&tailLines=1&timestamps=true", 200, "2026-11-30T14:00:01Z two words\n"},
		{"a/log", 400, ""},
		{"a/log?container=side", 503, ""},
		{"a/log?container=none", 503, ""},
		{"b/log", 503, ""},
		{"c/log", 404, ""},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, request(t.Context(), "/api/v1/namespaces/shop/pods/"+c.path, ""))
		if w.Code != c.code || c.code == 200 && w.Body.String() != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.path, w.Code, w.Body, c.code, c.body)
		}
	}
}
