// Package process sets what the operating system and the Go runtime do to the
// process: memory limits, signals, and writing to a reader that has gone.
package process

import (
	"cmp"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// roomyHeap is how large the heap of an analysis may become before the garbage
// collector runs: it makes much garbage and lives for seconds.
const roomyHeap = 768 << 20

// usualPercent is Go's own GOGC.
const usualPercent = 100

// RelaxGC trades memory for time, unless the user decides on that. After each
// collection it sets the next one to begin at roomyHeap, or where Go would begin
// it if that is later: a large analysis is never collected more often than
// without it. A recorder, which runs for hours beside others, must not call it.
// Further calls do nothing.
func RelaxGC() {
	if cmp.Or(os.Getenv("GOGC"), os.Getenv("GOMEMLIMIT")) != "" {
		return
	}
	relax.Do(func() {
		relaxed := func() { debug.SetGCPercent(percentFor(max(liveHeap(), smallestHeap))) }
		relaxed()
		afterGC(relaxed)
	})
}

var relax sync.Once

// spareHeap is how much garbage may lie beside a large heap that is to stay small.
const spareHeap = 32 << 20

// BoundGC has the garbage collector run whenever spareHeap of garbage lies beside the
// heap, unless the user decides on that: Go's own limit, as much as there is in use,
// doubles what a recorder needs while it cuts a segment. A small heap is collected as
// Go does.
func BoundGC() {
	if cmp.Or(os.Getenv("GOGC"), os.Getenv("GOMEMLIMIT")) != "" {
		return
	}
	relax.Do(func() {
		bounded := func() { debug.SetGCPercent(boundFor(liveHeap())) }
		bounded()
		afterGC(bounded)
	})
}

// tightest bounds how often a very large heap is collected.
const tightest = 20

// boundFor returns the GOGC that has the next collection begin at spareHeap more than
// there is, between tightest and usualPercent.
func boundFor(live uint64) int {
	return min(usualPercent, max(tightest, int(spareHeap*100/max(live, 1<<20))))
}

// smallestHeap is the smallest that Go counts with.
const smallestHeap = 4 << 20

// percentFor returns the GOGC that has the next collection begin at roomyHeap,
// and no less than usualPercent.
func percentFor(live uint64) int {
	if live >= roomyHeap {
		return usualPercent
	}
	return max(usualPercent, int((roomyHeap-live)*100/max(live, 1<<20)))
}

// liveHeap returns the bytes that the last collection found in use.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// afterGC calls f after each collection, one call at a time.
func afterGC(f func()) {
	type sentinel struct{ _ [16]byte }
	runtime.AddCleanup(new(sentinel), func(struct{}) {
		f()
		afterGC(f)
	}, struct{}{})
}
