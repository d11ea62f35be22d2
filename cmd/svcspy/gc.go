package main

import (
	"cmp"
	"os"
	"runtime/debug"
)

// An analysis makes much garbage and lives for seconds, so memory up to this much
// is used before it is cleared up often. What needs more gets more.
const roomy = 768 << 20

// beRoomy trades memory for time, unless the user decides on that. A recorder,
// which runs for hours beside others, must not call it.
func beRoomy() {
	if cmp.Or(os.Getenv("GOGC"), os.Getenv("GOMEMLIMIT")) == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(roomy)
	}
}
