package change_test

import (
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// The changes of an object, oldest first.
func ExampleList() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	web := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
	changes, err := change.List(r, web, 278, 279)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range changes {
		fmt.Println(c.Verb, c.Path, c.New, "by", c.Writer.Manager)
	}
	// Output: updated /spec/selector/tier backend by kubectl-client-side-apply
}
