package report

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// TestLastWords: a report has what the containers said of whose Pods it speaks, and
// of no others.
func TestLastWords(t *testing.T) {
	start := time.Date(2026, 11, 30, 14, 0, 0, 0, time.UTC)
	m := store.NewMemory(store.Header{Start: start})
	for name, object := range []string{
		`{"apiVersion":"svcspy.dev/v1","kind":"ContainerLog","metadata":{"name":"web-1.app","namespace":"shop","uid":"u1.app","creationTimestamp":"2026-11-30T14:00:01Z","ownerReferences":[{"kind":"Pod","name":"web-1","uid":"u1"}]},"container":"app","restarts":3,"reason":"Failed","exitCode":1,"cut":true,"lines":["1 one","2 two","3 three","4 four","5 five","6 \u001b[31mlisten: address already in use"]}`,
		`{"apiVersion":"svcspy.dev/v1","kind":"ContainerLog","metadata":{"name":"web-2.app","namespace":"shop","uid":"u2.app","creationTimestamp":"2026-11-30T14:00:01Z","ownerReferences":[{"kind":"Pod","name":"web-2","uid":"u2"}]},"container":"app","reason":"NotReady","lines":[],"error":"pods/log is forbidden"}`,
		`{"apiVersion":"svcspy.dev/v1","kind":"ContainerLog","metadata":{"name":"other.app","namespace":"shop","uid":"u3.app","ownerReferences":[{"kind":"Pod","name":"other","uid":"u3"}]},"container":"app","reason":"Failed","lines":["not about this"]}`,
	} {
		start = start.Add(time.Second)
		if _, err := m.Append(store.Event{Time: start, Type: watch.Added, Resource: kinds.ContainerLogs, Namespace: "shop", Name: strconv.Itoa(name), ResourceVersion: "1", Object: []byte(object)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := replay.NewCursor(m).SeekTime(start)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(s, analyzer.Report{
		Because:  []analyzer.Finding{{ID: "container-crash", Message: "it crashes", Evidence: []analyzer.Evidence{{Kind: "Pod", Namespace: "shop", Name: "web-1"}}}},
		Symptoms: []analyzer.Finding{{ID: "x", Message: "y", Subject: analyzer.Subject{Kind: "Pod", Namespace: "shop", Name: "web-2"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Text(&b, Envelope{Report: analyzer.Report{Because: e.Because}, LastWords: e.LastWords}, Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "last-words.txt", b.Bytes())
}
