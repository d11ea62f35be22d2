package table_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/svcspy/svcspy/replay/table"
	"github.com/svcspy/svcspy/store"
)

// The verdicts of a recording become a Parquet file.
func ExampleWrite() {
	r, err := store.Open("../../fixtures/incidents/bad-image-rollout.db")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	var file bytes.Buffer
	rows, err := table.Write(context.Background(), r, "verdicts", &file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rows > 0, string(file.Bytes()[:4]))
	// Output: true PAR1
}
