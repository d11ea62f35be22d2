// Package table writes what a recording holds as Parquet files, one per table, for the
// query engines that platform teams run. Documented columns are in README.md.
//
// Write makes one table of one recording; Names are the tables there are. Rows go to
// the file in row groups of bounded size.
package table

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/svcspy/svcspy/store"
)

// Version is the version of the columns. Within one, columns are only ever added.
const Version = "1"

const (
	// groupRows is how many rows a row group has at most: so much of a table is in
	// memory at a time.
	groupRows = 50_000
	// groupBytes bounds a row group with long values.
	groupBytes = 32 << 20
	// lookRows is after how many rows it is looked whether the work was cancelled.
	lookRows = 1_000
)

// tables has how each table is written, by name.
var tables = map[string]func(context.Context, *store.Recording, io.Writer) (int64, error){
	"verdicts": writeVerdicts,
	"changes":  writeChanges,
	"events":   writeEvents,
	"coverage": writeCoverage,
}

// Names returns the names of the tables.
func Names() []string { return []string{"verdicts", "changes", "events", "coverage"} }

// Key returns where the file of a table belongs below the folder of all tables.
func Key(table, cluster string, info store.Info) string {
	return fmt.Sprintf("%s/cluster=%s/date=%s/%s.parquet", table, cluster, info.Start.UTC().Format("2006-01-02"), info.SHA256)
}

// Write writes a table of a recording and returns the number of its rows.
func Write(ctx context.Context, r *store.Recording, table string, w io.Writer) (int64, error) {
	if !slices.Contains(Names(), table) {
		return 0, fmt.Errorf("no table %q", table)
	}
	return tables[table](ctx, r, w)
}
