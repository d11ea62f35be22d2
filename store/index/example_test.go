package index_test

import (
	"fmt"
	"log"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/rawjson"
)

// What has a label now did not have it before.
func ExampleFind() {
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	x, tracker := index.NewIndex(), index.NewTracker()
	for n, label := range []string{"blue", "green"} {
		e := event.Event{Seq: event.Seq(n + 1), Type: watch.Modified, Resource: pods, Namespace: "shop", Name: "web"}
		e.Object = []byte(`{"metadata":{"name":"web","namespace":"shop","labels":{"track":"` + label + `"}}}`)
		id, _ := rawjson.Identify(e.Resource, e.Object)
		for _, change := range tracker.Observe(nil, &e, &id) {
			x.Add(&change)
		}
	}
	for at := event.Seq(1); at <= 2; at++ {
		found, err := index.Find([]index.Part{x}, &event.Query{Resource: pods, Labels: map[string]string{"track": "green"}}, at)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(at, found)
	}
	// Output:
	// 1 []
	// 2 [2]
}
