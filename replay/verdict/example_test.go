package verdict_test

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// The verdicts on a Service between two instants, as people read them.
func ExampleOf() {
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	web := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
	segments, err := verdict.Of(context.Background(), r, web, r.Info().Start, r.Info().End)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range verdict.Settle(segments) {
		if verdict.Unhealthy(s.Report.Verdict.State) && s.Report.Headline.ID == "selector-edited" {
			fmt.Println(s.From.UTC().Format("15:04:05"), s.Report.Verdict.State)
		}
	}
	// Output: 00:00:07 NotServing
}
