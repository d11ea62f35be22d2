package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/table"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// exportOptions are the flags of export.
type exportOptions struct {
	*cli.App
	to, cluster, shard string
	tables             []string
}

// ExportCommand returns the command export.
func ExportCommand(a *cli.App) *cobra.Command {
	o := &exportOptions{App: a}
	cmd := &cobra.Command{
		Use:   "export FILE|FOLDER|BUCKET --to FOLDER|BUCKET",
		Short: "Write recordings as Parquet tables for a query engine",
		Long: `Export writes four tables that DuckDB, Trino, Athena, Spark or ClickHouse read:
verdicts (when each Service had which verdict), changes (what people and tools
wrote, a row for each field), events (each watch event, without the object) and
coverage (when each resource was watched). It exports one recording, all
recordings (*.db) of a folder, or all segments that agents stored in a bucket.
A recording is exported as it is: what it redacted is redacted in the tables.

A file is named TABLE/cluster=CLUSTER/date=DATE/DIGEST.parquet: DATE is the day (UTC)
on which the recording begins, DIGEST that of its content. A file that is there is
not written again, so the same command goes on where it was stopped, and --shard
shares a bucket among the Pods of an Indexed Job. Only sealed recordings have a
digest; svcspy compact makes a sealed copy of one that was killed.

A recording that cannot be read does not stop the others; the exit code tells.

EXIT STATUS
  0 all exported, 1 error, 2 wrong words, 4 a recording is damaged, 130 interrupted.`,
		Example: `  svcspy export incident.db --to tables
  svcspy export s3://outages/svcspy --to s3://outages/tables --tables verdicts,changes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage(errors.New("export takes one recording, folder or bucket"), a.Name+" export FILE --to FOLDER")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.to == "" {
				return cli.Usage(errors.New("export needs a folder or bucket for the tables"), a.Name+" export FILE --to FOLDER")
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return cli.Interrupted(ctx, o.run(ctx, args[0]))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.to, "to", "", "the folder or bucket of the tables, such as s3://NAME/PREFIX; a folder is made")
	flags.StringSliceVar(&o.tables, "tables", table.Names(), "the tables to write")
	flags.StringVar(&o.cluster, "cluster", "", "the name of the cluster of a file (default: the context it was recorded with)")
	flags.StringVar(&o.shard, "shard", "", "export only share I of N equal ones, given as I/N; I counts from 0")
	_ = cmd.RegisterFlagCompletionFunc("tables", cobra.FixedCompletions(table.Names(), cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"cluster", "shard"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

// exportSource is a recording to export: a file, or a segment of a bucket.
type exportSource struct {
	name, cluster string
	stored        *segment.Stored
}

// shardOf returns which sources belong to a share: those whose names have its
// remainder.
func shardOf(text string) (func(name string) bool, error) {
	if text == "" {
		return func(string) bool { return true }, nil
	}
	var i, n uint32
	if _, err := fmt.Sscanf(text, "%d/%d", &i, &n); err != nil || i >= n || fmt.Sprintf("%d/%d", i, n) != text {
		return nil, cli.Usage(fmt.Errorf("--shard %q is not I/N with I less than N", text), "the first of four shares is 0/4")
	}
	return func(name string) bool {
		h := fnv.New32a()
		_, _ = io.WriteString(h, name)
		return h.Sum32()%n == i
	}, nil
}

func (o *exportOptions) run(ctx context.Context, address string) error {
	mine, err := shardOf(o.shard)
	if err != nil {
		return err
	}
	for _, t := range o.tables {
		if !slices.Contains(table.Names(), t) {
			return cli.Usage(fmt.Errorf("--tables: there is no table %q", t), "there are "+strings.Join(table.Names(), ", "))
		}
	}
	if o.cluster != "" && segment.ClusterName(o.cluster) != o.cluster {
		return cli.Usage(fmt.Errorf("--cluster %q: a name has small letters, digits, dots, dashes and underscores", o.cluster), "")
	}
	from, sources, err := o.sources(ctx, address)
	if err != nil {
		return err
	}
	sources = slices.DeleteFunc(sources, func(s exportSource) bool { return !mine(s.name) })
	if !strings.Contains(o.to, "://") {
		if err := os.MkdirAll(o.to, 0o700); err != nil {
			return err
		}
	}
	to, err := openBucket(o.to)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "svcspy-export-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bar := o.Counter("recordings")
	defer bar.End()
	var failed []error
	for i, s := range sources {
		if err := o.export(ctx, from, to, s, dir); err != nil {
			if ctx.Err() != nil {
				return err
			}
			failed = append(failed, fmt.Errorf("export %s: %w", report.Clean(s.name), err))
			if errors.As(err, new(writeError)) { // so would all others
				break
			}
		}
		bar.Show(i+1, len(sources))
	}
	return errors.Join(failed...)
}

// sources lists what is to be exported, and the bucket it is in, if it is one.
func (o *exportOptions) sources(ctx context.Context, address string) (bucket.Bucket, []exportSource, error) {
	path := cli.LocalPath(address)
	st, err := os.Stat(path)
	isFolder := err == nil && st.IsDir()
	if !isFolder && (!bucket.IsS3(address) || strings.HasSuffix(address, segment.Recording)) {
		return nil, []exportSource{{name: address}}, nil
	}
	b, err := openBucket(address)
	if err != nil {
		return nil, nil, err
	}
	clusters, err := segment.Clusters(ctx, b)
	if err != nil {
		return nil, nil, cli.StorageError(address, fmt.Errorf("export %s: %w", address, err))
	}
	var found []exportSource
	for _, cluster := range clusters {
		all, err := segment.All(ctx, b, cluster)
		if err != nil {
			return nil, nil, cli.StorageError(address, fmt.Errorf("export %s: %w", address, err))
		}
		for i := range all {
			found = append(found, exportSource{all[i].Key(), cluster, &all[i]})
		}
	}
	if isFolder {
		files, err := filepath.Glob(filepath.Join(globEscape(path), "*"+segment.Recording))
		if err != nil {
			return nil, nil, err
		}
		for _, f := range files {
			found = append(found, exportSource{name: f})
		}
	}
	if len(found) == 0 {
		return nil, nil, cli.Hinted(fmt.Errorf("export %s: there are no recordings", address), "name a recording, a folder of recordings (*.db), or the bucket that svcspy agent --to names")
	}
	return b, found, nil
}

// globEscape makes a path mean itself in a pattern.
func globEscape(path string) string {
	return strings.NewReplacer(`[`, `[[]`, `*`, `[*]`, `?`, `[?]`).Replace(path)
}

// writeError is an error of where the tables go.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// export writes the tables of a recording that are not there.
func (o *exportOptions) export(ctx context.Context, from, to bucket.Bucket, s exportSource, dir string) (err error) {
	path := s.name
	if s.stored != nil {
		// The summary names the files: a segment that is exported is not fetched again.
		is, err := s.stored.Summary(ctx, from)
		if err != nil {
			return cli.StorageError(s.name, err)
		}
		missing, err := o.missing(ctx, to, s.cluster, store.Info{Header: store.Header{Start: is.Start}, SHA256: is.SHA256})
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			return o.say(s, nil)
		}
		path, _, err = s.stored.Fetch(ctx, from, dir)
		if errors.Is(err, segment.ErrHalf) {
			return fmt.Errorf("%w: %w", store.ErrDamaged, err)
		} else if err != nil {
			return cli.StorageError(s.name, err)
		}
		defer os.Remove(path)
	}
	r, err := o.OpenRecording(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := r.Damage(); err != nil {
		return err
	}
	info := r.Info()
	if info.SHA256 == "" {
		return cli.Hinted(errors.New("it is not sealed, so it may still grow"), "`svcspy compact "+s.name+" OUT` makes a sealed copy")
	}
	if s.cluster == "" {
		s.cluster = cmp.Or(o.cluster, segment.ClusterName(info.Cluster.Context), segment.ClusterName(info.Cluster.UID), "unknown")
	}
	missing, err := o.missing(ctx, to, s.cluster, info)
	if err != nil {
		return err
	}
	var rows []string
	for _, name := range missing {
		n, err := o.write(ctx, r, to, name, table.Key(name, s.cluster, info), dir)
		if err != nil {
			return err
		}
		rows = append(rows, fmt.Sprintf("%s %d", name, n))
	}
	return o.say(s, rows)
}

// say prints what was written of a recording.
func (o *exportOptions) say(s exportSource, rows []string) error {
	words := "exported already"
	if len(rows) > 0 {
		words = strings.Join(rows, ", ")
	}
	_, err := fmt.Fprintf(o.Out, "%s: %s\n", report.Clean(s.name), words)
	return err
}

// missing returns the tables of a recording that are not there.
func (o *exportOptions) missing(ctx context.Context, to bucket.Bucket, cluster string, info store.Info) ([]string, error) {
	var names []string
	for _, name := range o.tables {
		switch _, err := to.Stat(ctx, table.Key(name, cluster, info)); {
		case errors.Is(err, fs.ErrNotExist):
			names = append(names, name)
		case err != nil:
			return nil, writeError{cli.StorageError(o.to, fmt.Errorf("write to %s: %w", o.to, err))}
		}
	}
	return names, nil
}

// write makes a table in a temporary file and stores it when all of it is there.
func (o *exportOptions) write(ctx context.Context, r *store.Recording, to bucket.Bucket, name, key, dir string) (rows int64, err error) {
	f, err := os.CreateTemp(dir, name)
	if err != nil {
		return 0, writeError{err}
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if rows, err = table.Write(ctx, r, name, f); errors.As(err, new(*fs.PathError)) {
		return 0, writeError{cli.Hinted(err, "a table is made in the folder for temporary files first: TMPDIR names another")}
	} else if err != nil {
		return 0, err
	}
	if err := errors.Join(r.SourceError(), r.Damage()); err != nil {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	err = to.Put(ctx, key, io.NewSectionReader(f, 0, size), true)
	if err != nil && !errors.Is(err, fs.ErrExist) { // another run may have been quicker
		err = fmt.Errorf("write %s: %w", key, err)
		if !bucket.IsAddress(o.to) {
			return 0, writeError{cli.Hinted(err, "make room or name another folder, and run the command again: tables that are there are not written again")}
		}
		return 0, writeError{cli.StorageError(o.to, err)}
	}
	return rows, nil
}
