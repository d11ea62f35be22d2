package story_test

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// What broke the Service, who did it, and what ended the outage.
func ExampleExplain() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	web := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
	ctx := context.Background()
	segments, err := verdict.Of(ctx, r, web, r.Info().Start, r.Info().End)
	if err != nil {
		fmt.Println(err)
		return
	}
	x, err := story.Explain(ctx, r, web, verdict.Settle(segments), time.Date(2026, 11, 24, 0, 0, 17, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	c := x.Worst.Changes[0]
	fmt.Println(x.Worst.Report.Headline.ID, "by", c.Writer.Manager)
	fmt.Println(c.Path, c.New)
	// Output:
	// selector-edited by kubectl-client-side-apply
	// /spec/selector/tier backend
}
