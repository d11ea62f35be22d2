package past_test

import (
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/store"
)

// Objects say much about the time before they were first recorded.
func ExampleAll() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	facts, err := past.All(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	late := 0
	for _, f := range facts {
		if f.Earliest.After(r.Info().End) {
			late++
		}
	}
	fmt.Println(len(facts) > 0, late)
	// Output: true 0
}
