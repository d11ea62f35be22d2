package process

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// A heap above roomyHeap is collected as often as Go does, never more often, and
// a smaller one first at roomyHeap.
func TestPercentFor(t *testing.T) {
	for _, live := range []uint64{0, 4 << 20, 50 << 20, 300 << 20, roomyHeap - 1, roomyHeap, 4 << 30} {
		percent := percentFor(live)
		if percent < usualPercent {
			t.Errorf("%d bytes in use: GOGC=%d, want no less than Go's %d", live, percent, usualPercent)
		}
		if begins := live + live*uint64(percent)/100; live > 1<<20 && live < roomyHeap/2 && (begins < roomyHeap*98/100 || begins > roomyHeap) {
			t.Errorf("%d bytes in use: collected at %d, want %d", live, begins, roomyHeap)
		}
	}
}

// A small heap is collected as Go does, a large one before it grows by much, a very
// large one not all the time.
func TestBoundFor(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 4 << 20: 100, 32 << 20: 100, 64 << 20: 50, 128 << 20: 25, 4 << 30: 20} {
		if got := boundFor(live); got != want {
			t.Errorf("%d bytes in use: GOGC=%d, want %d", live, got, want)
		}
	}
}

func TestAfterGC(t *testing.T) {
	var calls atomic.Int32
	afterGC(func() { calls.Add(1) })
	for n := range int32(3) {
		for deadline := time.Now().Add(20 * time.Second); calls.Load() <= n && time.Now().Before(deadline); {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}
	if n := calls.Load(); n < 3 {
		t.Errorf("called %d times in at least 3 collections", n)
	}
}
