package postmortem

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// TestLastWords: what a container said before it crashed is in the document, and is
// text there and nothing else.
func TestLastWords(t *testing.T) {
	r := incident(t, "crash-without-probe")
	info := r.Info()
	m := store.NewMemory(info.Header)
	do := func(_ store.Seq, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ledger, err := r.Ledger(1, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for e, err := range r.Events(1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		for ; len(ledger) > 0 && ledger[0].Seq < e.Seq; ledger = ledger[1:] {
			do(m.Cover(ledger[0]))
		}
		do(m.Append(e))
		if e.Resource.GroupResource() != replay.Pods.GroupResource() || written[e.Name] || !strings.Contains(string(e.Object), `"exitCode":1`) {
			continue
		}
		written[e.Name] = true
		do(m.Append(store.Event{
			Time: e.Time, Type: watch.Added, Resource: kinds.ContainerLogs, Namespace: e.Namespace, Name: e.Name + ".web", UID: types.UID(e.UID + ".web"), ResourceVersion: e.ResourceVersion,
			Object: fmt.Appendf(nil, `{"apiVersion":"svcspy.dev/v1","kind":"ContainerLog","metadata":{"name":"%s.web","namespace":%q,"uid":"%s.web","ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":%[1]q,"uid":%[3]q}]},"container":"web","reason":"Failed","exitCode":1,"lines":["one","<script>alert(1)</script> address | already in use"]}`, e.Name, e.Namespace, e.UID),
		}))
	}
	if len(written) == 0 {
		t.Fatal("no container of the incident crashed")
	}
	if err := m.Commit(info.End); err != nil {
		t.Fatal(err)
	}
	p := build(t, m, Options{Subject: web})
	if len(p.LastWords) == 0 {
		t.Fatal("the document has no last words")
	}
	for format, want := range map[string]string{"md": "already in use", "html": "&lt;script&gt;alert(1)&lt;/script&gt; address | already in use"} {
		if page := printed(t, format, p); !strings.Contains(page, "Last words of containers") || !strings.Contains(page, want) || format == "html" && strings.Contains(page, "<script>alert(1)") {
			i := max(0, strings.Index(page, "Last words"))
			t.Errorf("%s: %s", format, page[i:min(len(page), i+1500)])
		}
	}
}
