package apiserver

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzRequest sends any path, query and Accept header. Whatever comes, the
// answer is JSON or one of the probes, never a panic and never a success for
// something that changes the cluster.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"/api/v1/namespaces/shop/pods", "labelSelector=app%3Dweb&limit=1", "application/json"},
		{"/at/end/api/v1/pods", "fieldSelector=status.phase!%3DRunning", "application/json;as=Table;v=v1;g=meta.k8s.io"},
		{"/api/v1/pods", "continue=" + token{RV: "1", Seq: 3, Start: 1}.String(), "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"},
		{"/api/v1/pods/a/log", "watch=true&timeoutSeconds=1", "*/*"},
		{"/apis/example.com/v1/widgets", "resourceVersion=5&resourceVersionMatch=Exact", ""},
		{"/apis", "", aggregatedType},
		{"/openapi/v3/api/v1", "hash=1", "application/json"},
		{"//at/../api//v1", "%zz=;", ";;,"},
	} {
		f.Add(seed[0], seed[1], seed[2], "GET")
	}
	f.Add("/api/v1/namespaces/shop/pods/a", "", "", "DELETE")
	film := small(f)
	s := film.serve(film.at, 0)
	f.Fuzz(func(t *testing.T, path, query, accept, method string) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a watch would last for ever
		w := httptest.NewRecorder()
		r := request(ctx, "", accept)
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		s.ServeHTTP(w, r)
		if method != http.MethodGet && method != http.MethodHead && w.Code < 400 {
			t.Errorf("%s %s?%s: %d", method, path, query, w.Code)
		}
		if w.Code >= 400 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s?%s: %d %s", method, path, query, w.Code, w.Body)
		}
	})
}
