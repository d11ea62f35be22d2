package recorder

import (
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
)

// TestTokenIsRotated: a token file, as a Pod has one, is replaced while the
// recorder runs, and the API server stops accepting the old token: the recorder
// reads the file again and goes on.
func TestTokenIsRotated(t *testing.T) {
	if testing.Short() {
		t.Skip("client-go reads the file again within a minute")
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	var valid atomic.Value
	valid.Store("old")
	s := newServer(t, map[string][]step{podsPath: {
		says(endOfList("7")),
		holds(event("ADDED", pod("a", "8"))),
	}})
	inner := s.Config.Handler
	refusals := atomic.Int32{}
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+valid.Load().(string) {
			refusals.Add(1)
			refuse(401, "Unauthorized")(w, r)
			return
		}
		inner.ServeHTTP(w, r)
		if r.URL.Path == podsPath && valid.CompareAndSwap("old", "new") {
			if err := os.WriteFile(file, []byte("new"), 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	record(t, Options{Config: &rest.Config{Host: s.URL, BearerTokenFile: file}}, "ADDED a 8")
	if refusals.Load() == 0 {
		t.Error("the old token was never refused: nothing was tested")
	}
}
