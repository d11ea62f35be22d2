package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// countedReads is a timeline that counts the events that are read.
type countedReads struct {
	*store.Memory
	reads int
}

func (c *countedReads) Event(seq store.Seq) (store.Event, error) {
	c.reads++
	return c.Memory.Event(seq)
}

// TestLastWords: a report has what the containers said of whose Pods it speaks, also
// of one that is deleted, and of no others; those are not even read.
func TestLastWords(t *testing.T) {
	at := time.Date(2026, 11, 30, 14, 0, 0, 0, time.UTC)
	m := &countedReads{Memory: store.NewMemory(store.Header{Start: at})}
	write := func(e store.Event, object string) {
		t.Helper()
		at = at.Add(time.Millisecond)
		e.Time, e.Namespace, e.ResourceVersion, e.Object = at, "shop", "1", []byte(object)
		if _, err := m.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	pod := func(kind watch.EventType, name string) {
		t.Helper()
		write(store.Event{Type: kind, Resource: replay.Pods, Name: name, UID: types.UID(name)}, fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"namespace":"shop","uid":%[1]q},"spec":{"initContainers":[{"name":"init"}],"containers":[{"name":"app"}]}}`, name))
	}
	log := func(pod, rest string) {
		t.Helper()
		write(store.Event{Type: watch.Added, Resource: kinds.ContainerLogs, Name: pod + ".app", UID: types.UID(pod + ".app")}, fmt.Sprintf(`{"apiVersion":"svcspy.dev/v1","kind":"ContainerLog","metadata":{"name":"%s.app","namespace":"shop","uid":"%[1]s.app","creationTimestamp":"2026-11-30T14:00:01Z","ownerReferences":[{"kind":"Pod","name":%[1]q,"uid":%[1]q}]},"container":"app",%s}`, pod, rest))
	}
	pod(watch.Added, "web-1")
	pod(watch.Added, "web-2")
	log("web-1", `"restarts":3,"reason":"Failed","exitCode":137,"ended":"OOMKilled","cut":true,"lines":["1 one","2 two","3 three","4 four","5 five","6 \u001b[31mlisten: address already in use"]`)
	log("web-2", `"reason":"NotReady","lines":[],"error":"pods/log is forbidden"`)
	pod(watch.Deleted, "web-2")
	for i := range 1000 {
		log(fmt.Sprintf("other-%d", i), `"reason":"Failed","lines":["not about this"]`)
	}
	s, err := replay.NewCursor(m).SeekTime(at)
	if err != nil {
		t.Fatal(err)
	}
	m.reads = 0
	e, err := New(s, analyzer.Report{
		Because:  []analyzer.Finding{{ID: "container-crash", Message: "it crashes", Evidence: []analyzer.Evidence{{Kind: "Pod", Namespace: "shop", Name: "web-1"}}}},
		Symptoms: []analyzer.Finding{{ID: "x", Message: "y", Subject: analyzer.Subject{Kind: "Pod", Namespace: "shop", Name: "web-2"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.reads > 10 {
		t.Errorf("%d events were read for the last words of two Pods", m.reads)
	}
	var b bytes.Buffer
	if err := Text(&b, Envelope{Report: analyzer.Report{Because: e.Because}, LastWords: e.LastWords}, Options{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "not about this") {
		t.Errorf("it has the words of others:\n%s", b.String())
	}
	golden(t, "last-words.txt", b.Bytes())
}
