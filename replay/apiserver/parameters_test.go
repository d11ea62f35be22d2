package apiserver

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestParameters asks with parameters that an API server refuses, or takes.
func TestParameters(t *testing.T) {
	f := small(t)
	s := f.serve(f.at, 0)
	for _, c := range []struct {
		path string
		code int
	}{
		{"/api/v1/pods?resourceVersion=abc", 400},
		{"/api/v1/pods?resourceVersion=-1", 400},
		{"/api/v1/pods?resourceVersion=1.5", 400},
		{"/api/v1/pods?watch=1&resourceVersion=abc&timeoutSeconds=1", 400},
		{"/api/v1/namespaces/shop/pods/a?resourceVersion=abc", 400},
		{"/api/v1/pods?resourceVersion=100", 200},
		{"/api/v1/pods?resourceVersion=0", 200},
		{"/api/v1/pods?limit=abc", 400},
		{"/api/v1/pods?limit=-1", 200}, // no limit, as etcd3's store takes it
		{"/api/v1/pods?limit=99999999999999999999", 400},
		{"/api/v1/pods?timeoutSeconds=abc", 400},
		{"/api/v1/pods?timeoutSeconds=-1", 200},
		{"/api/v1/pods?resourceVersionMatch=Exact", 422},
		{"/api/v1/pods?resourceVersionMatch=Exact&resourceVersion=0", 422},
		{"/api/v1/pods?resourceVersionMatch=Sometimes&resourceVersion=1", 422},
		{"/api/v1/pods?fieldSelector=metadata.name", 400},
		{"/api/v1/pods?fieldSelector=spec.nothing%3Da", 400},
		{"/api/v1/pods?labelSelector=%3D%3D%3D", 400},
		{"/api/v1/pods?continue=nonsense", 400},
		{"/api/v1/pods?watch=false&timeoutSeconds=1", 200},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, request(t.Context(), c.path, ""))
		if w.Code != c.code {
			t.Errorf("%s: %d %s; want %d", c.path, w.Code, w.Body, c.code)
		}
	}
}

// TestContinueBelongsToItsList takes the continue token of one list to others.
func TestContinueBelongsToItsList(t *testing.T) {
	f := small(t)
	s := f.serve(f.at, 0)
	get := func(path string) (int, metav1.PartialObjectMetadataList) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, request(t.Context(), path, ""))
		var list metav1.PartialObjectMetadataList
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
				t.Fatal(err)
			}
		}
		return w.Code, list
	}
	_, first := get("/api/v1/pods?limit=1")
	if first.Continue == "" {
		t.Fatal("the list of Pods has one page")
	}
	next := "&continue=" + url.QueryEscape(first.Continue)
	for path, want := range map[string]int{
		"/api/v1/pods?limit=1" + next:                                 200,
		"/api/v1/pods?limit=5" + next:                                 200,
		"/api/v1/namespaces/shop/secrets?limit=1" + next:              400,
		"/api/v1/namespaces/shop/pods?limit=1" + next:                 400,
		"/api/v1/pods?limit=1&labelSelector=app%3Dweb" + next:         400,
		"/api/v1/pods?limit=1&resourceVersion=100" + next:             400,
		"/api/v1/pods?limit=1&fieldSelector=metadata.name%3Da" + next: 400,
	} {
		if code, _ := get(path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
}

// TestUnauthorizedConnectionsAreClosed asks without the token over a connection
// that would be kept, in both versions of HTTP.
func TestUnauthorizedConnectionsAreClosed(t *testing.T) {
	f := small(t)
	for _, http2 := range []bool{false, true} {
		closed := make(chan struct{}, 8)
		server := httptest.NewUnstartedServer(f.serve(f.at, 0))
		server.EnableHTTP2 = http2
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				closed <- struct{}{}
			}
		}
		server.StartTLS()
		response, err := server.Client().Get(server.URL + "/api/v1/pods")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized || (response.ProtoMajor == 2) != http2 {
			t.Errorf("%s: %s", response.Proto, response.Status)
		}
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the connection of a client without a token stays open", response.Proto)
		}
		server.Close()
	}
}
