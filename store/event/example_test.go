package event_test

import (
	"fmt"
	"time"

	"github.com/svcspy/svcspy/store/event"
)

// A gap is noticed later than it began: its reason says for how long nothing had
// been heard.
func ExampleCoverage_Since() {
	gap := event.Coverage{
		Time:   time.Date(2026, 5, 4, 14, 0, 30, 0, time.UTC),
		Status: event.Gap,
		Reason: "watch closed; " + event.NothingHeard(24*time.Second),
	}
	fmt.Println(gap.Since().Format(time.TimeOnly), gap.Status.AbsenceProven())
	// Output: 14:00:06 false
}
