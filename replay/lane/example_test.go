package lane_test

import (
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/lane"
	"github.com/svcspy/svcspy/store"
)

// How an object was over time, one state after another.
func ExampleOf() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	web := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
	spans, exact, err := lane.Of(r, web, r.Info().Start, r.Info().End)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range spans {
		fmt.Println(s.State, exact)
	}
	// Output: exists true
}
