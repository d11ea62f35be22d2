package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

type changesOptions struct {
	cli.Range
	cli.Cluster
	file    string
	leading bool // the file is the first word
	status  bool
}

func changesCommand(a *cli.App) *cobra.Command {
	o := &changesOptions{Range: cli.Range{Query: &cli.Query{App: a}}}
	cmd := &cobra.Command{
		Use:   "changes [TYPE/NAME] [-f FILE]",
		Short: "Every change to one object, field by field, live or recorded",
		Long: `Changes prints every change to one object and the field manager that wrote it.
With -f it reads a recording; otherwise it follows the cluster until ctrl-C.
Fields that only count versions or move time stamps are left out; --status shows
only what changed in the status. With a recording and no object it prints the
writes of people and tools to any object, and leaves out the control plane's
own.

EXIT STATUS
  0 printed, 1 error, 2 wrong words or time.`,
		Example: `  # what people and tools wrote during an outage
  svcspy changes -f incident.db

  # as it happens
  svcspy changes deploy/web -n shop

  # what happened to its status in a recording
  svcspy changes deploy/web -f incident.db --status`,
		Args: func(_ *cobra.Command, args []string) error {
			if o.file == "" && len(args) > 0 && cli.IsFile(args[0]) {
				o.file, o.leading = args[0], true
				args = args[1:]
			}
			if len(args) == 0 && o.file == "" || len(args) > 2 {
				return cli.Usage(errors.New("changes takes one object"), "name it as TYPE/NAME, for example svc/web")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.leading {
				args = args[1:]
			}
			if o.file != "" {
				o.Query.Namespace = o.Overrides.Context.Namespace
				return o.recorded(cmd.Context(), args)
			}
			if o.Since != "" || o.Until != "" {
				return cli.Usage(errors.New("--since and --until need a recording"), "name it with -f")
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return o.live(ctx, args)
		},
	}
	o.Cluster.AddFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.file, "file", "f", "", "read this recording instead of a cluster")
	flags.StringVar(&o.Since, "since", "", "with -f, the instant to begin at (default: the start)")
	flags.StringVar(&o.Until, "until", "", "with -f, the instant to end at (default: the end)")
	flags.BoolVar(&o.status, "status", false, "only what changed in the status")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *changesOptions) recorded(ctx context.Context, words []string) error {
	r, err := o.Open(ctx, o.file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	first, last, err := o.Positions(r)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		var changes []change.Change
		for c, err := range change.Writes(ctx, r, first, last) {
			if err != nil {
				return cli.Interrupted(ctx, err)
			}
			changes = append(changes, c)
		}
		return o.print(r, o.keep(changes))
	}
	ref, err := o.Subject(r, words, last)
	if err != nil {
		return err
	}
	changes, err := change.List(r, ref, first, last)
	if err != nil {
		return err
	}
	return o.print(r, o.keep(changes))
}

// keep leaves out what was not asked for.
func (o *changesOptions) keep(all []change.Change) []change.Change {
	kept := []change.Change{}
	for _, c := range all {
		if o.status {
			var some bool
			if c, some = c.Under("/status"); !some {
				continue
			}
		}
		kept = append(kept, c)
	}
	return kept
}

func (o *changesOptions) print(t replay.Timeline, changes []change.Change) error {
	info := t.Info()
	switch o.Output {
	case "text":
		return report.ChangesText(o.Out, changes, info.End, o.Text())
	case "jsonl":
		for i := range changes {
			line := report.ChangeLine{APIVersion: report.APIVersion, Kind: "Change", Change: changes[i]}
			if err := report.Document(o.Out, o.Output, line); err != nil {
				return err
			}
		}
		return nil
	}
	return report.Document(o.Out, o.Output, report.ChangeList{
		APIVersion: report.APIVersion, Kind: "ChangeList", Recording: report.RecordingOf(info), Items: changes,
	})
}

// live watches the one resource and prints what happens to the object.
func (o *changesOptions) live(ctx context.Context, words []string) error {
	config, _, err := o.Config()
	if err != nil {
		return err
	}
	namespace, err := o.Cluster.Namespace()
	if err != nil {
		return err
	}
	options := recorder.Options{Config: config, Profile: recorder.Full, Redactor: redact.Standard(false), Now: o.Now}
	limited, cancel, err := o.Limited(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	header, err := recorder.Prepare(limited, options)
	if err != nil {
		return err
	}
	ref, err := replay.ParseSubject(words, namespace, header.Resources)
	if err != nil {
		return err
	}
	options.Resources = []string{ref.Resource.GroupResource().String()}
	if ref.Namespace != "" {
		options.Namespaces = []string{ref.Namespace}
	}
	memory := store.NewMemory(header)
	options.Sink = memory
	recording, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- recorder.Run(recording, options) }()
	err = o.follow(ctx, memory, ref, ended)
	stop()
	return errors.Join(err, <-ended)
}

// follow prints changes as they are heard. What ended is put back, so that the
// caller finds it.
func (o *changesOptions) follow(ctx context.Context, t replay.Timeline, ref store.Ref, ended chan error) error {
	o.Note("watching %s; ctrl-C ends it", report.Clean(cli.Slash(ref)))
	var seen store.Seq
	for ctx.Err() == nil {
		select {
		case err := <-ended:
			ended <- err
			return nil
		default:
		}
		last := t.Info().Last
		changes, err := change.List(t, ref, seen, last)
		if err != nil {
			return err
		}
		if kept := o.keep(changes); len(kept) > 0 {
			if err := o.print(t, kept); err != nil {
				return err
			}
		}
		seen = last
		if err := wait(ctx, t, seen); err != nil {
			return err
		}
	}
	return nil
}
