package store

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMemoryWindow: what is older than the window is folded into what the
// cluster was when it begins; from there on the answers are those of a Memory
// of everything.
func TestMemoryWindow(t *testing.T) {
	folded := false
	rapid.Check(t, func(rt *rapid.T) {
		memory := NewMemory(Header{Start: start})
		memory.KeepWindow(12 * time.Millisecond)
		m := &model{start: start}
		for range rapid.IntRange(0, 15).Draw(rt, "commits") {
			for range rapid.IntRange(0, 6).Draw(rt, "steps") {
				drawStep(rt, m, memory)
			}
			now := start
			if n := len(m.events); n > 0 {
				now = m.events[n-1].Time
			}
			if err := memory.Commit(now); err != nil {
				rt.Fatal(err)
			}
			m.checkWindow(rt, memory, m.some(rt))
		}
		folded = folded || memory.Info().First > 1
	})
	if !folded {
		t.Error("nothing was ever folded")
	}
}

// TestMemoryWindowIsBounded writes many windows' worth.
func TestMemoryWindowIsBounded(t *testing.T) {
	memory := NewMemory(Header{Start: start})
	memory.KeepWindow(time.Second)
	const events = 30_000 // 30 s
	for n := 1; n <= events; n++ {
		e := numbered(n)
		if _, err := memory.Append(e); err != nil {
			t.Fatal(err)
		}
		if n%100 != 0 {
			continue
		}
		if err := memory.Clock(Clock{Time: e.Time}); err != nil {
			t.Fatal(err)
		}
		if _, err := memory.Cover(Coverage{Time: e.Time, Resource: pods, Status: Current}); err != nil {
			t.Fatal(err)
		}
		if err := memory.Commit(e.Time); err != nil {
			t.Fatal(err)
		}
		if kept := len(memory.log) + len(memory.carried); kept > 1600 {
			t.Fatalf("%d positions kept of a window of 1000", kept)
		}
		if versions := memory.index.Size; versions > 1600 {
			t.Fatalf("%d versions indexed of a window of 1000", versions)
		}
	}
	info := memory.Info()
	counted := uint64(0)
	for _, err := range memory.Events(info.First, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		counted++
	}
	clocks, err := memory.Clocks()
	ledger, _ := memory.Ledger(0, info.Last)
	if err != nil || info.Events != counted || memory.Kinds()[0].Events != counted || len(clocks) > 20 || len(ledger) > 20 || info.Last != events+events/100 {
		t.Errorf("%d events counted of %d to %d, Info says %d, Kinds %d; %d clocks, %d coverage changes", counted, info.First, info.Last, info.Events, memory.Kinds()[0].Events, len(clocks), len(ledger))
	}
	if !info.Start.Equal(memory.log[0].time) {
		t.Errorf("starts at %s", info.Start)
	}
}
