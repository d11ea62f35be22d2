package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// corpus is a recorded rollout of a small cluster: 37,981 watch events, 224 MB
// of JSON.
var corpus = sync.OnceValues(func() ([]Event, error) {
	packed, err := os.ReadFile("../fixtures/rollout.jsonl.zst")
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var events []Event
	now := start
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			Type   watch.EventType `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		var o struct {
			Kind     string
			Metadata struct {
				Namespace, Name string
				UID             types.UID
				ResourceVersion string
			}
		}
		if err := json.Unmarshal(line.Object, &o); err != nil {
			return nil, err
		}
		// Bursts and pauses as of a rollout; odd steps, so that times do not
		// compress better than real ones.
		now = now.Add(time.Duration(len(line.Object)*7919%40000) * time.Microsecond)
		events = append(events, Event{Time: now, Type: line.Type, Resource: corpusResources[o.Kind], Namespace: o.Metadata.Namespace,
			Name: o.Metadata.Name, UID: o.Metadata.UID, ResourceVersion: o.Metadata.ResourceVersion, Object: line.Object})
	}
	return events, lines.Err()
})

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

func loadCorpus(t testing.TB) []Event {
	t.Helper()
	events, err := corpus()
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// write appends all events, committing as the recorder does: every 4 MiB or
// second of recorded time.
func write(t testing.TB, s sink, events []Event) {
	t.Helper()
	committed := events[0].Time
	for _, e := range events {
		if _, err := s.Append(e); err != nil {
			t.Fatal(err)
		}
		if s.Pending() >= 4<<20 || e.Time.Sub(committed) >= time.Second {
			committed = e.Time
			if err := s.Commit(e.Time); err != nil {
				t.Fatal(err)
			}
		}
	}
}
