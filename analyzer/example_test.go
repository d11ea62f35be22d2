package analyzer_test

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// Why does the Service get no traffic at this instant?
func ExampleDiagnose() {
	r, err := store.Open(filepath.Join("..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	web := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
	s, err := replay.NewCursor(r).SeekTime(time.Date(2026, 11, 24, 0, 0, 17, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	report := analyzer.Diagnose(s, web, analyzer.Options{})
	fmt.Println(report.Verdict.State, report.Verdict.Certainty)
	fmt.Println(report.Headline.ID)
	// Output:
	// NotServing certain
	// selector-edited
}
