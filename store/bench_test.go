package store

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestBars prints the figures `make bench` collects. It takes a while, so it
// runs only when SVCSPY_BENCH is set.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	events := loadCorpus(t)
	w, path := create(t, Header{Start: start})
	begun := time.Now()
	write(t, w, events)
	took := time.Since(begun)
	bench("store_ingest_events_per_s", float64(len(events))/took.Seconds(), "events/s")
	st, _ := os.Stat(path)
	bench("live_bytes_per_event", float64(st.Size())/float64(len(events)), "B")
	begun = time.Now()
	if _, err := w.Seal(events[len(events)-1].Time); err != nil {
		t.Fatal(err)
	}
	bench("seal_ms", float64(time.Since(begun).Milliseconds()), "ms")
	st, _ = os.Stat(path)
	bench("bytes_per_event", float64(st.Size())/float64(len(events)), "B")
}

func bench(name string, value float64, unit string) { fmt.Printf("bench %s %.4g %s\n", name, value, unit) }
