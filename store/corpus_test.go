package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// corpus reads the first events of a recorded rollout of a small cluster; there
// are 37,981, with 224 MB of JSON.
func corpus(limit int) (events []Event, err error) {
	packed, err := os.Open("../fixtures/rollout.jsonl.zst")
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	z, err := zstd.NewReader(packed)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	now := start
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for len(events) < limit && lines.Scan() {
		// {"type":"ADDED","object":{"kind":"Pod",...}}
		line := bytes.Clone(lines.Bytes())
		parts := bytes.SplitN(line, []byte(`"`), 11)
		object := line[bytes.IndexByte(line[1:], '{')+1 : len(line)-1]
		resource, ok := corpusResources[string(parts[9])]
		if !ok {
			return nil, fmt.Errorf("line %d: %.80s", len(events)+1, line)
		}
		id, err := scan(resource, object)
		if err != nil {
			return nil, err
		}
		// Bursts and pauses as of a rollout; odd steps, so that times do not
		// compress better than real ones.
		now = now.Add(time.Duration(len(object)*7919%40000) * time.Microsecond)
		events = append(events, Event{Time: now, Type: watch.EventType(parts[3]), Resource: resource, Namespace: id.namespace,
			Name: id.name, UID: id.uid, ResourceVersion: id.resourceVersion, Object: object})
	}
	return events, lines.Err()
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

func loadCorpus(t testing.TB, limit int) []Event {
	t.Helper()
	events, err := corpus(limit)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		events[i].Seq = Seq(i + 1)
	}
	return events
}
