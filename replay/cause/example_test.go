package cause_test

import (
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/store"
)

// What a Service rests on: its Pods, their Nodes, its EndpointSlices.
func ExampleRelated() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	web := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
	s, err := replay.NewCursor(r).Seek(278)
	if err != nil {
		fmt.Println(err)
		return
	}
	refs, err := cause.Related(s, web)
	if err != nil {
		fmt.Println(err)
		return
	}
	pods := 0
	for _, ref := range refs {
		if ref.Resource == replay.Pods {
			pods++
		}
	}
	fmt.Println(pods)
	// Output: 3
}
