package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
)

func diffCommand(a *cli.App) *cobra.Command {
	o := &cli.Range{Query: &cli.Query{App: a}}
	cmd := &cobra.Command{
		Use:   "diff FILE [TYPE/NAME]",
		Short: "What is different between two instants and can matter to the subject",
		Long: `Diff compares two instants of a recording, object by object: the subject, what
it refers to, what refers to it, and what that refers to. Time stamps, versions
and heartbeats are left out. The writer of a difference comes from
managedFields, so it is a tool, never a person.

By default diff compares the worst outage of the subject with the instant before
it. Without a subject it takes the worst outage of the recording.

EXIT STATUS
  0 nothing is different, 1 something is, 2 or more an error, as kubectl diff.`,
		Example: `  # what changed between the last good minute and the outage?
  svcspy diff incident.db svc/web -n shop --since 13:59 --until 14:02`,
		Args: cli.SubjectOfRecording(a, "diff"),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := runDiff(o, cmd.Context(), args[0], args[1:])
			if err != nil && !errors.Is(err, cli.ErrDifferent) {
				return cli.Usage(err, strings.Join(cli.HintsFor(err), "\n")) // above 1, which says that they differ
			}
			return err
		},
	}
	o.AddFlags(cmd)
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func runDiff(o *cli.Range, ctx context.Context, file string, words []string) error {
	r, err := o.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	if words, err = o.AroundWorst(ctx, r, words); err != nil {
		return err
	}
	from, to, err := o.Bounds(r)
	if err != nil {
		return err
	}
	before, err := cli.StateAt(r, from)
	if err != nil {
		return err
	}
	after, err := cli.StateAt(r, to)
	if err != nil {
		return err
	}
	ref, err := o.Subject(r, words, after.Seq())
	if err != nil {
		return err
	}
	items, err := story.Diff(before, after, ref)
	if err != nil {
		return err
	}
	var envelopes [2]report.Envelope
	for i, s := range []*replay.State{before, after} {
		dated, err := verdict.ReportAt(ctx, s, ref, analyzer.Options{})
		if err != nil {
			return err
		}
		if envelopes[i], err = report.New(s, dated); err != nil {
			return err
		}
	}
	e := report.NewDiff(envelopes[0], envelopes[1], items)
	if o.Output == "text" {
		err = report.DiffText(o.Out, e, o.Text())
	} else {
		err = report.Document(o.Out, o.Output, e)
	}
	if err == nil && len(items) > 0 {
		err = cli.ErrDifferent
	}
	return err
}
