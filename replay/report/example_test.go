package report_test

import (
	"fmt"

	"github.com/svcspy/svcspy/replay/report"
)

// Names from a cluster are hostile: none may move the cursor of a terminal.
func ExampleClean() {
	fmt.Println(report.Bytes(57_000))
	fmt.Printf("%q\n", report.Clean("web"))
	// Output:
	// 57 KB
	// "web"
}
