package flight_test

import (
	"fmt"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/recorder/flight"
)

// When a condition becomes true, a flight recorder saves its window.
func ExampleParseCondition() {
	c, err := flight.ParseCondition("svc/shop/web != Serving|Converging")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Holds(analyzer.NotServing), c.Holds(analyzer.Converging))
	// Output: true false
}
