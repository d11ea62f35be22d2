package block_test

import (
	"fmt"
	"log"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/rawjson"
)

// The second version of an object is written as a delta against the first.
func Example() {
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	b, bases := block.NewBuilder(1), block.NewBases(1<<20)
	var differ block.Differ
	for n, phase := range []string{"Pending", "Running"} {
		e := event.Event{Seq: event.Seq(n + 1), Time: time.Unix(int64(n), 0), Type: watch.Modified, Resource: pods, Name: "web", Namespace: "shop"}
		e.Object = []byte(`{"metadata":{"name":"web","namespace":"shop","labels":{"app":"web"}},"status":{"phase":"` + phase + `"}}`)
		id, _ := rawjson.Identify(e.Resource, e.Object)
		if err := b.AddEvent(&e, &id, 0, bases, &differ); err != nil {
			log.Fatal(err)
		}
	}
	parsed, err := block.Parse(b.Encode(encoding.NewEncoder(zstd.SpeedFastest), [32]byte{}, 0))
	if err != nil {
		log.Fatal(err)
	}
	d := block.Decoder{Read: func(event.Seq) (*block.Block, error) { return parsed, nil }, Objects: &block.ObjectCache{}}
	e, err := d.Event(2)
	fmt.Println(e.Name, string(e.Object), err)
	fmt.Println("delta:", parsed.Entries[1].Tag&block.TagDelta != 0)
	// Output:
	// web {"metadata":{"name":"web","namespace":"shop","labels":{"app":"web"}},"status":{"phase":"Running"}} <nil>
	// delta: true
}
