package replay

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// late records a recording anew as if the recorder had been started at a
// position of it: what existed then is listed, and then it goes on. What was
// heard before is what nobody heard.
func late(t testing.TB, full Timeline, from store.Seq) *store.Memory {
	t.Helper()
	info := full.Info()
	began, err := full.TimeOf(from)
	if err != nil {
		t.Fatal(err)
	}
	h := info.Header
	h.Start = began
	m := store.NewMemory(h)
	say := func(e store.Event) {
		if _, err := m.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	cover := func(c store.Coverage) {
		if _, err := m.Cover(c); err != nil {
			t.Fatal(err)
		}
	}
	ledger, err := full.Ledger(0, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	type stream struct{ resource, namespace string }
	now := map[stream]store.Coverage{}
	var order []stream
	for _, c := range ledger {
		s := stream{c.Resource.String(), c.Namespace}
		if c.Seq <= from {
			if _, known := now[s]; !known {
				order = append(order, s)
			}
			now[s] = c
		}
	}
	for _, s := range order {
		c := now[s]
		c.Time = began
		if c.Status != store.Current {
			cover(c)
			continue
		}
		c.Status = store.Listing
		cover(c)
		say(store.Event{Time: began, Type: store.Relist, Resource: c.Resource, Namespace: c.Namespace})
		seqs, err := full.Find(store.Query{Resource: c.Resource, Namespace: c.Namespace}, from)
		if err != nil {
			t.Fatal(err)
		}
		for _, seq := range seqs {
			e, err := full.Event(seq)
			if err != nil {
				t.Fatal(err)
			}
			e.Time, e.Type = began, watch.Added
			say(e)
		}
		say(store.Event{Time: began, Type: watch.Bookmark, Resource: c.Resource, Namespace: c.Namespace, Object: fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"true"}}}`, store.InitialEventsEnd)})
		c.Status = store.Current
		cover(c)
	}
	rest := slices.IndexFunc(ledger, func(c store.Coverage) bool { return c.Seq > from })
	for e, err := range full.Events(from+1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		for rest >= 0 && rest < len(ledger) && ledger[rest].Seq < e.Seq {
			cover(ledger[rest])
			rest++
		}
		say(e)
	}
	for rest >= 0 && rest < len(ledger) {
		cover(ledger[rest])
		rest++
	}
	if _, err := m.Seal(info.End); err != nil {
		t.Fatal(err)
	}
	return m
}

// hindsight is what a recording that began after the failure has to tell,
// by incident and how long after its first operation it begins.
var hindsight = []struct {
	incident string
	step     int // the operation it begins after, from 1
	after    time.Duration
	want     []string // facts, as String says them, in any order
}{
	{"bad-image-rollout", 1, 20 * time.Second, []string{
		`^Deployment shop/web revision 2: /spec/template/spec/containers\[name=web\]/image web:ok1 -> web:badtag by kubectl-set$`,
		`^Pod shop/web-\w+-\w+ became Ready=False \(ContainersNotReady\)$`,
		`^Deployment shop/web became Progressing=False \(ProgressDeadlineExceeded\)$`,
	}},
	{"selector-edited", 1, 10 * time.Second, []string{
		`^Service shop/web was written by kubectl-client-side-apply, who owns 8 fields in /spec$`,
	}},
	{"node-loss", 1, 30 * time.Second, []string{
		`^Node n2 became Ready=Unknown \(NodeStatusUnknown\)$`,
	}},
}

func TestPastTellsWhatHappened(t *testing.T) {
	for _, h := range hindsight {
		t.Run(h.incident, func(t *testing.T) {
			r := openIncident(t, h.incident)
			from, err := r.SeqAt(stepsOf(t, h.incident)[h.step-1][1].Add(h.after))
			if err != nil {
				t.Fatal(err)
			}
			facts, err := PastOf(late(t, r, from), subjectOfIncident(t, h.incident))
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for i := range facts {
				said = append(said, facts[i].String())
			}
			for _, want := range h.want {
				if !slices.ContainsFunc(said, regexp.MustCompile(want).MatchString) {
					t.Errorf("nothing tells %s; there is\n%s", want, strings.Join(said, "\n"))
				}
			}
		})
	}
}

func openIncident(t testing.TB, name string) *store.Recording {
	t.Helper()
	r, err := store.Open("../fixtures/incidents/" + name + ".db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
