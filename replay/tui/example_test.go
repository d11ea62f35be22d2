package tui_test

import (
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay/tui"
	"github.com/svcspy/svcspy/store"
)

// The screen begins where the recorder had listed everything.
func ExampleOpening() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	state, err := tui.Opening(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(state.Instant().After(r.Info().Start), state.Instant().Before(r.Info().End))
	// Output: true true
}
