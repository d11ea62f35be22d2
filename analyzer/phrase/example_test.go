package phrase_test

import (
	"fmt"

	"github.com/svcspy/svcspy/analyzer/phrase"
)

// Numbers of things and lists of names as sentences have them.
func Example() {
	fmt.Println(phrase.Quantity(3, "Pod"), "of", phrase.Enumerate([]string{"web", "api", "db"}, 2))
	// Output: 3 Pods of web, api and 1 more
}
