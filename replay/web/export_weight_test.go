package web

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// busy is a recorded incident in a cluster in which much else happens: Pods come, get
// ready, report and go, until there are so many events.
func busy(t *testing.T, name string, events int) *store.Memory {
	t.Helper()
	r := open(t, name)
	info := r.Info()
	m := store.NewMemory(info.Header)
	ledger, err := r.Ledger(1, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	var pods []store.Event
	for seq := store.Seq(1); seq <= info.Last; seq++ {
		if len(ledger) > 0 && ledger[0].Seq == seq {
			if ledger[0].Reason != store.Stopped {
				_, err = m.Cover(ledger[0])
			}
			ledger = ledger[1:]
		} else {
			var e store.Event
			if e, err = r.Event(seq); err == nil {
				_, err = m.Append(e)
			}
			if e.Resource == replay.Pods && e.Type == watch.Modified {
				pods = append(pods, e)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	at := info.End.Add(-time.Second)
	for n := 0; int(m.Info().Last) < events; n++ {
		e := pods[n%len(pods)]
		name := fmt.Sprintf("load-%08x", n/len(pods)*0x9e3779b1)
		e.Object = []byte(strings.ReplaceAll(strings.ReplaceAll(string(e.Object), e.Name, name), `"shop"`, `"load"`))
		e.Namespace, e.Name, e.UID, e.Time = "load", name, types.UID(fmt.Sprint(n)), at
		e.ResourceVersion = fmt.Sprint(100_000 + n)
		if _, err := m.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Seal(info.End); err != nil {
		t.Fatal(err)
	}
	return m
}

// An exported page of ten thousand events weighs at most 2 MB, and leaves out nothing
// that people and tools did.
func TestExportWeight(t *testing.T) {
	if testing.Short() {
		t.Skip("ten thousand events")
	}
	m := busy(t, "bad-image-rollout", 10_000)
	var page bytes.Buffer
	if err := Export(t.Context(), &page, m, options(open(t, "bad-image-rollout"), nil), ExportOptions{File: "incident.db"}); err != nil {
		t.Fatal(err)
	}
	d := unpack(t, page.Bytes())
	t.Logf("%d bytes, %d events, %d lanes", page.Len(), len(d.Lines), len(d.Lanes["svc/shop/web"].Lanes))
	if page.Len() > mostExported || len(d.Lines) < 9_900 || d.Overview.Left != "" { // what is missing are entries of the coverage
		t.Errorf("%d bytes with %d events, left out: %q", page.Len(), len(d.Lines), d.Overview.Left)
	}
}
