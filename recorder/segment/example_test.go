package segment_test

import (
	"fmt"
	"time"

	"github.com/svcspy/svcspy/recorder/segment"
)

// Which time a segment holds is known from its key.
func ExampleParseKey() {
	start := time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)
	name := segment.Name{Cluster: "prod", Start: start, End: start.Add(5 * time.Minute), Run: "a1b2c3d4", First: 42, Digest: "0123456789abcdef"}
	fmt.Println(name.Key())
	found, ok := segment.ParseKey(name.Key())
	fmt.Println(found.End.Sub(found.Start), ok)
	// Output:
	// prod/2026-11-24/20261124T140000Z-20261124T140500Z-a1b2c3d4-42-0123456789abcdef
	// 5m0s true
}
