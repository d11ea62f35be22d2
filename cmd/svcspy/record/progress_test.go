package record

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// going is a recording that goes on: of a cluster that hurts.
var going = recorder.Progress{
	Events: 1204, Bytes: 3 << 20, Rate: 17.25,
	Streams: []recorder.Stream{
		{Resource: replay.Services, Status: store.Current},
		{Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespace: "shop", Status: store.Gap, Reason: "watch \x1b[2Jclosed"},
		{Resource: schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, Status: store.Forbidden},
		{Resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, Namespace: "shop", Status: store.Partial},
		{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, Namespace: "shop", Status: store.Listing},
	},
}

func sighted() []flight.Verdict {
	return []flight.Verdict{
		{Subject: store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}, State: analyzer.NotServing},
		{Subject: store.Ref{Resource: replay.Services, Namespace: "shop", Name: "new"}, State: ""},
	}
}

func TestProgress(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	now := start
	var out bytes.Buffer
	a := &cli.App{Err: &out, Now: func() time.Time { return now }}
	p := newProgress(a, start)
	p.verdicts = sighted

	// Elsewhere than on a terminal: a line each ten seconds, of pairs.
	for range 25 {
		now = now.Add(time.Second)
		p.show(going)
	}
	line := `progress elapsed=10s events=1204 rate=17.2 bytes=3145728 live=2 listing=1 lagging=1 forbidden=1 services/shop/web=NotServing why="pods in shop: watch \x1b[2Jclosed"`
	if want := line + "\n" + strings.Replace(line, "=10s", "=20s", 1) + "\n"; out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}

	// On a terminal: one line that never wraps.
	out.Reset()
	p.terminal, p.width = true, func() int { return 40 }
	p.show(going)
	p.width = func() int { return 400 }
	p.show(going)
	p.say("listening to %s", "it")
	p.show(going)
	p.end()
	full := `25s  shop/web NotServing  1 live, 1 live in part, 1 listing, 1 lagging, 1 forbidden (pods in shop: watch \x1b[2Jclosed)  1204 events  17/s  3145 KB`
	want := "\r\x1b[K25s  shop/web NotServing  1 live, 1 li…" + "\r\x1b[K" + full + "\nlistening to it\n\r\x1b[K" + full + "\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}

	// And nothing at all.
	out.Reset()
	a.Quiet = true
	now = now.Add(time.Minute)
	p.show(going)
	p.say("listening")
	p.end()
	if out.Len() > 0 {
		t.Errorf("quiet said %q", out.String())
	}
}

// A terminal that is held (ctrl-S, a pager) does not hold the recorder.
func TestProgressOfHeldTerminal(t *testing.T) {
	terminal, w := io.Pipe() // of which nothing is read yet
	p := newProgress(&cli.App{Err: w, Now: time.Now}, time.Time{})
	p.terminal = true
	tell, run := p.teller()
	ctx, cancel := context.WithCancel(t.Context())
	var showing sync.WaitGroup
	showing.Go(func() { run(ctx) })
	told := make(chan struct{})
	go func() {
		defer close(told)
		for n := range 100 {
			tell(recorder.Progress{Events: uint64(n)})
		}
	}()
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		t.Error("the recorder waits for the terminal")
	}
	var shown strings.Builder
	for !strings.Contains(shown.String(), " 99 events") {
		b := make([]byte, 4096)
		n, err := terminal.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(b[:n])
	}
	cancel()
	terminal.Close()
	showing.Wait()
}

// A Service and a Deployment of one name are told apart.
func TestProgressNames(t *testing.T) {
	p := newProgress(&cli.App{Err: &bytes.Buffer{}, Now: time.Now}, time.Time{})
	deployments := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	p.verdicts = func() []flight.Verdict {
		return []flight.Verdict{
			{Subject: store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}, State: analyzer.Serving},
			{Subject: store.Ref{Resource: deployments, Namespace: "shop", Name: "web"}, State: analyzer.Degraded},
			{Subject: store.Ref{Resource: replay.Services, Namespace: "shop", Name: "api"}, State: analyzer.Serving},
		}
	}
	want := "1s  services/shop/web Serving  deployments.apps/shop/web Degraded  shop/api Serving  "
	if got := p.words(recorder.Progress{}, time.Second); !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
