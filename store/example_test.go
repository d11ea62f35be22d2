package store_test

import (
	"fmt"
	"log"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// The ready Pods of a Service when the recording ended.
func ExampleOpen() {
	r, err := store.Open("../fixtures/incidents/config-change.db")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	services := schema.GroupVersionResource{Version: "v1", Resource: "services"}
	found, err := r.Find(store.Query{Resource: services, Namespace: "shop", Name: "web"}, r.Info().Last)
	if err != nil {
		log.Fatal(err)
	}
	for _, seq := range found {
		e, err := r.Event(seq)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Ref().Namespace, e.Ref().Name, e.Type)
	}
	// Output: shop web ADDED
}
