package store

import (
	"bufio"
	"bytes"
	"iter"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/rawjson"
)

const corpusFile = "../fixtures/rollout.jsonl.zst"

// corpus yields the events of a recorded rollout of a small cluster; there are
// 37,981, with 224 MB of JSON.
func corpus() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		packed, err := os.Open(corpusFile)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer packed.Close()
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1))
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer z.Close()
		now := start
		lines := bufio.NewScanner(z)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			// {"type":"ADDED","object":{"kind":"Pod",...}}
			line := bytes.Clone(lines.Bytes())
			parts := bytes.SplitN(line, []byte(`"`), 11)
			object := line[bytes.IndexByte(line[1:], '{')+1 : len(line)-1]
			resource := corpusResources[string(parts[9])]
			id, err := rawjson.Identify(resource, object)
			// Bursts and pauses as of a rollout; odd steps, so that times do
			// not compress better than real ones.
			now = now.Add(time.Duration(len(object)*7919%40000) * time.Microsecond)
			e := Event{
				Time: now, Type: watch.EventType(parts[3]), Resource: resource, Namespace: id.Namespace,
				Name: id.Name, UID: id.UID, ResourceVersion: id.ResourceVersion, Object: object,
			}
			if !yield(e, err) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Event{}, err)
		}
	}
}

var corpusResources = map[string]schema.GroupVersionResource{
	"Pod":           {Version: "v1", Resource: "pods"},
	"Event":         {Version: "v1", Resource: "events"},
	"Node":          {Version: "v1", Resource: "nodes"},
	"Service":       {Version: "v1", Resource: "services"},
	"Endpoints":     {Version: "v1", Resource: "endpoints"},
	"EndpointSlice": {Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	"ReplicaSet":    {Group: "apps", Version: "v1", Resource: "replicasets"},
	"Deployment":    {Group: "apps", Version: "v1", Resource: "deployments"},
}

// loadCorpus returns the first events.
func loadCorpus(t testing.TB, limit int) []Event {
	t.Helper()
	var events []Event
	for e, err := range corpus() {
		if err != nil {
			t.Fatal(err)
		}
		e.Seq = Seq(len(events) + 1)
		if events = append(events, e); len(events) == limit {
			break
		}
	}
	return events
}
