package when_test

import (
	"fmt"
	"time"

	"github.com/svcspy/svcspy/replay/when"
)

func ExampleParse() {
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	at, err := when.Parse("end-30s", when.Range{Start: start, End: start.Add(10 * time.Minute)})
	fmt.Println(when.Format(at.Time), err)
	// Output: 2026-11-23T14:09:30Z <nil>
}
