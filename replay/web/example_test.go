package web_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/web"
	"github.com/svcspy/svcspy/store"
)

// The view as one file, for somebody who has neither svcspy nor the recording.
func ExampleExport() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	var page bytes.Buffer
	nothing := func(context.Context, func(int, int)) (*web.Survey, error) { return &web.Survey{}, nil }
	err = web.Export(context.Background(), &page, r, web.Options{File: "incident.db", Survey: nothing}, web.ExportOptions{
		Subject: store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"},
		Title:   "Service shop/web",
	})
	fmt.Println(strings.Contains(page.String(), "Service shop/web"), page.Len() <= 2_000_000, err)
	// Output: true true <nil>
}
