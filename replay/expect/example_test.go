package expect_test

import (
	"fmt"

	"github.com/svcspy/svcspy/replay/expect"
)

// An expectation is a sentence.
func Example() {
	e, err := expect.Parse("svc/web never NotServing for more than 5s after Ready")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Subject, e.Quantifier, e.States, e.Tolerance)
	// Output: svc/web never [NotServing] 5s
}
