package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// JoinCommand returns the command join.
func JoinCommand(a *cli.App) *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "join FILE... -f OUT",
		Short: "Make one recording of several of one cluster",
		Long: `Join writes recordings of one cluster into one new recording, in the order of
their times.

What was cut or saved from one recording, and meets or overlaps, becomes what it
was there: positions, times and coverage are the same. Where something is missing
between two recordings, or a recorder was started anew, the result has a gap of
that length, and positions after it are new ones.

Recordings of recorders that ran at the same time are merged: each version of an
object is there once, a resource has a gap only while no recorder received it, and
positions are new ones.

Recordings of different clusters, or of different scope or redaction, are refused.
A damaged recording is refused: verify says what is wrong with it.

EXIT STATUS
  0 written, 1 error, 2 wrong words, 4 refused because a recording is damaged,
  130 interrupted.`,
		Example: `  # two windows of one recording, and the whole of both
  svcspy cut incident.db early.db --until end-20s
  svcspy cut incident.db late-half.db --since end-20s
  svcspy join early.db late-half.db -f outage.db`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usage(errors.New("join takes the recordings to join"), a.Name+" join FILE... -f OUT")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return cli.Usage(errors.New("join needs a name for the new recording"), a.Name+" join FILE... -f OUT")
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return join(ctx, a, args, out)
		},
	}
	cmd.Flags().StringVarP(&out, "file", "f", "", "the recording to write")
	return cmd
}

func join(ctx context.Context, a *cli.App, files []string, out string) (err error) {
	if err := cli.Writable(out); err != nil {
		return err
	}
	var parts []*store.Recording
	defer func() {
		for _, r := range parts {
			err = errors.Join(err, r.Close())
		}
	}()
	for _, path := range files {
		r, err := a.OpenRecording(path)
		if err != nil {
			return err
		}
		parts = append(parts, r)
		if err := joinable(parts[0].Info(), r.Info()); err != nil {
			return fmt.Errorf("join %s: %w", path, err)
		}
		if err := r.Damage(); err != nil {
			return fmt.Errorf("join %s: %w", path, err)
		}
	}
	slices.SortStableFunc(parts, func(a, b *store.Recording) int { return a.Info().Start.Compare(b.Info().Start) })
	header := parts[0].Info().Header
	header.ID, header.Recorder = string(uuid.NewUUID()), cli.ProgramVersion()
	info, err := joinOrMerge(out, header, parts)
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	st, err := os.Stat(out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "%s\n  %d events from %s to %s\n  %s\n  sha256 %s\n", report.Clean(out), info.Events,
		when.Format(info.Start), when.Format(info.End), report.Bytes(st.Size()), info.SHA256)
	return err
}

// joinOrMerge joins recordings that follow each other. Those of recorders that ran at
// the same time it joins by recorder, and merges the results.
func joinOrMerge(out string, header store.Header, parts []*store.Recording) (info store.Info, err error) {
	var runs [][]*store.Recording // by start
	place := map[string]int{}
	var end time.Time
	overlap := false
	for _, r := range parts {
		of := r.Info()
		i, known := place[of.Run()]
		if !known {
			i = len(runs)
			place[of.Run()] = i
			runs = append(runs, nil)
		}
		overlap = overlap || of.Start.Before(end) && i < len(runs)-1 || !known && of.Start.Before(end)
		runs[i] = append(runs[i], r)
		if of.End.After(end) {
			end = of.End
		}
	}
	if !overlap {
		return store.Join(out, header, parts)
	}
	dir, err := os.MkdirTemp(filepath.Dir(out), ".svcspy-join-")
	if err != nil {
		return info, err
	}
	var whole []*store.Recording
	defer func() {
		for _, r := range whole {
			err = errors.Join(err, r.Close())
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	for i, run := range runs {
		path := filepath.Join(dir, fmt.Sprintf("%d.db", i))
		first, of := run[0].Info(), header
		of.ID = first.Run()
		if _, err := store.Join(path, of, run); err != nil {
			return info, err
		}
		r, err := store.Open(path)
		if err != nil {
			return info, err
		}
		whole = append(whole, r)
	}
	return store.Merge(out, header, whole)
}

// joinable says why a recording cannot continue another.
func joinable(first, next store.Info) error {
	switch {
	case first.Cluster.UID != next.Cluster.UID:
		return cli.Hinted(errors.New("it is of another cluster than the first"), "`svcspy info FILE` names the cluster")
	case !reflect.DeepEqual(first.Scope, next.Scope):
		return cli.Hinted(errors.New("it has another scope than the first"), "`svcspy info FILE` names the scope")
	case first.Redaction != next.Redaction:
		return cli.Hinted(errors.New("it was redacted in another way than the first"), "make both with the same policy: `svcspy share FILE OUT`")
	case next.Source != nil && len(next.Source.Subjects) > 0:
		return cli.Hinted(errors.New("it was cut down to some subjects"), "join the originals, then cut")
	}
	return nil
}
