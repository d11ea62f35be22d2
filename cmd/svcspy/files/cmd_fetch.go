package files

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store/bucket"
)

// fetchOptions are the flags of fetch.
type fetchOptions struct {
	*cli.App
	since, until, out string
}

// FetchCommand returns the command fetch.
func FetchCommand(a *cli.App) *cobra.Command {
	o := &fetchOptions{App: a}
	cmd := &cobra.Command{
		Use:   "fetch BUCKET/CLUSTER --since T --until T -f OUT",
		Short: "Make one recording of a stretch of time in a bucket",
		Long: `Fetch copies the segments of a cluster that have something of a stretch of time, and
joins them into one new recording. It holds whole segments, so it begins and ends a
few minutes outside the stretch; svcspy cut makes it exact. Where segments are
missing the recording has a gap of that length.

Each segment is compared with the digest that was stored beside it; one that is
damaged or half is refused. svcspy ls lists clusters. A time of day without a date
is the last one before now.

EXIT STATUS
  0 written, 1 error, 2 wrong words or time, 4 refused because a segment is damaged,
  130 interrupted.`,
		Example: `  svcspy fetch s3://outages/svcspy/prod-eu --since 13:50 --until 14:20 -f incident.db`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage(errors.New("fetch takes one cluster of a bucket"), a.Name+" fetch s3://NAME/PREFIX/CLUSTER --since 13:50 -f OUT")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.out == "" || o.since == "" {
				return cli.Usage(errors.New("fetch needs a time and a name for the new recording"), a.Name+" fetch s3://NAME/PREFIX/CLUSTER --since 13:50 -f OUT")
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return cli.Interrupted(ctx, o.run(ctx, args[0]))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "", "the beginning of the stretch, such as 13:50 or -30m")
	flags.StringVar(&o.until, "until", "", "its end, such as 14:20 or +30m (default: now)")
	flags.StringVarP(&o.out, "file", "f", "", "the recording to write")
	for _, name := range []string{"since", "until"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

// splitCluster takes the cluster off the end of an address.
func splitCluster(address string) (of, cluster string, err error) {
	wrong := cli.Usage(fmt.Errorf("%q names no cluster of a bucket", address), "write it as s3://NAME/PREFIX/CLUSTER; `svcspy ls BUCKET` lists the clusters")
	if u, perr := url.Parse(address); perr == nil && u.Scheme != "" && strings.Contains(address, "://") {
		dir, last := path.Split(strings.TrimSuffix(u.Path, "/"))
		u.Path, u.RawPath = strings.TrimSuffix(dir, "/"), ""
		of, cluster = u.String(), last
		if u.Scheme == "file" && u.Path == "" {
			of = "file:///"
		}
	} else {
		of, cluster = filepath.Dir(address), filepath.Base(address)
	}
	if segment.ClusterName(cluster) != cluster || cluster == "" {
		return "", "", wrong
	}
	return of, cluster, nil
}

func (o *fetchOptions) run(ctx context.Context, address string) error {
	of, cluster, err := splitCluster(address)
	if err != nil {
		return err
	}
	from, err := instantIn(o.App, o.since, time.Time{})
	if err != nil {
		return err
	}
	to := o.Now()
	if o.until != "" {
		if to, err = instantIn(o.App, o.until, from); err != nil {
			return err
		}
	}
	if !from.Before(to) {
		return cli.Usage(errors.New("--since is not before --until"), "")
	}
	if err := cli.Writable(o.out); err != nil {
		return err
	}
	b, err := openBucket(of)
	if err != nil {
		return err
	}
	found, err := segment.Find(ctx, b, cluster, from, to)
	if err != nil {
		return cli.StorageError(of, fmt.Errorf("fetch %s: %w", address, err))
	}
	if len(found) == 0 {
		return cli.Hinted(fmt.Errorf("fetch %s: nothing was stored from %s to %s", address, when.Format(from.Truncate(time.Second)), when.Format(to.Truncate(time.Second))),
			"`svcspy ls BUCKET` says what there is")
	}
	dir, err := os.MkdirTemp(filepath.Dir(o.out), ".svcspy-fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	paths, err := o.copy(ctx, b, found, dir)
	if err != nil {
		return cli.StorageError(of, fmt.Errorf("fetch %s: %w", address, err))
	}
	return join(ctx, o.App, paths, o.out)
}

// fetchers is how many segments are copied at a time.
const fetchers = 4

// copy copies segments into a folder.
func (o *fetchOptions) copy(ctx context.Context, b bucket.Bucket, found []segment.Stored, dir string) ([]string, error) {
	bar := o.Counter("segments")
	defer bar.End()
	paths, errs := make([]string, len(found)), make([]error, len(found))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var working sync.WaitGroup
	places, done := make(chan struct{}, fetchers), make(chan struct{}, len(found))
	working.Go(func() {
		for n := range found {
			<-done
			bar.Show(n+1, len(found))
		}
	})
	for i := range found {
		places <- struct{}{}
		working.Go(func() {
			if paths[i], _, errs[i] = found[i].Fetch(ctx, b, dir); errs[i] != nil {
				cancel()
			}
			<-places
			done <- struct{}{}
		})
	}
	working.Wait()
	var first error
	for i, err := range errs { // the first that failed, not those that were cancelled for it
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = fmt.Errorf("%s: %w", report.Clean(found[i].Key()), err)
		}
	}
	return paths, first
}
