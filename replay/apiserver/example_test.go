package apiserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"

	"github.com/svcspy/svcspy/replay/apiserver"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// kubectl and every other client can ask the past.
func ExampleNew() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	s, err := apiserver.New(r, apiserver.Options{Instants: []apiserver.Instant{{Name: "end", Time: r.Info().End}}, Token: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	get := httptest.NewRequest(http.MethodGet, "/api/v1/namespaces/shop/services/web", nil)
	get.Header.Set("Authorization", "Bearer secret")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, get)
	fmt.Println(answer.Code, rawjson.Text(answer.Body.Bytes(), "metadata.name"))
	// Output: 200 web
}
