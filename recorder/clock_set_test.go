package recorder

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/svcspy/svcspy/store"
)

// TestClockIsSet records while the recorder's clock is set back and forward and
// the API server's is 90 s ahead: the order is that of the API server, times
// never run backwards, and the clocks are in the recording as they were.
func TestClockIsSet(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	var elapsed, ahead time.Duration // of the recorder's clock
	const events = 60
	beats := make(chan int, events)
	s := newServer(t, map[string][]step{
		// A second passes with each look at the server's clock, and never between
		// its answer and the look at the recorder's: so both are known exactly.
		"/version": {func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if beat := int(elapsed / time.Second); beat < events {
				elapsed += time.Second
				switch beat {
				case 20:
					ahead = -time.Hour
				case 40:
					ahead = time.Hour
				}
				beats <- beat
			}
			w.Header().Set("Date", start.Add(elapsed+90*time.Second).Format(http.TimeFormat))
			fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
		}},
		podsPath: {func(w http.ResponseWriter, r *http.Request) {
			says(endOfList("1"))(w, r)
			for range events {
				select {
				case beat := <-beats:
					says(event("MODIFIED", pod("a", strconv.Itoa(beat+2))))(w, r)
				case <-r.Context().Done():
				}
			}
			<-r.Context().Done()
		}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	memory := store.NewMemory(store.Header{Start: start})
	sink := newSink()
	sink.Memory = memory
	l := quick
	l.pulse, l.beat = time.Millisecond, time.Minute
	heard := 0
	sink.append = func(e store.Event) error {
		if e.Type == "MODIFIED" {
			heard++
		}
		if heard == events {
			cancel()
		}
		return nil
	}
	err := Run(ctx, Options{
		Config: s.config(), Profile: Minimal, Sink: sink, limits: &l,
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return start.Add(elapsed + ahead)
		},
		elapsed: func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return elapsed
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var last store.Event
	for e, err := range memory.Events(1, memory.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Time.Before(last.Time) {
			t.Errorf("#%d at %v, after #%d at %v", e.Seq, e.Time, last.Seq, last.Time)
		}
		if last.ResourceVersion != "" && older(e.ResourceVersion, last.ResourceVersion) {
			t.Errorf("#%d has resourceVersion %s, after %s", e.Seq, e.ResourceVersion, last.ResourceVersion)
		}
		last = e
	}
	if took := last.Time.Sub(start); took < time.Hour+50*time.Second {
		t.Errorf("the last event is at %v: the clock that was set forward was not followed", took)
	}
	clocks, err := memory.Clocks()
	if err != nil || len(clocks) < 3 {
		t.Fatalf("%d looks at the clocks: %v", len(clocks), err)
	}
	seen := map[time.Duration]bool{}
	for _, c := range clocks {
		seen[c.Time.Sub(start)-c.Monotonic] = true
		if skew := c.ServerDate.Sub(start.Add(c.Monotonic)); skew != 90*time.Second {
			t.Errorf("the API server was %v ahead, want 90 s", skew)
		}
	}
	for _, ahead := range []time.Duration{0, -time.Hour, time.Hour} {
		if !seen[ahead] {
			t.Errorf("the clocks never show the recorder's %v ahead: %v", ahead, clocks)
		}
	}
}
