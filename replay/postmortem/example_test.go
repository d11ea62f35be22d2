package postmortem_test

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/postmortem"
	"github.com/svcspy/svcspy/store"
)

// The document that is kept after an outage.
func ExampleBuild() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	p, err := postmortem.Build(context.Background(), r, postmortem.Options{Subject: store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, link := range p.Chain {
		if link.ID == "selector-edited" {
			fmt.Println(p.Subject.Name, link.ID)
		}
	}
	// Output: web selector-edited
}
