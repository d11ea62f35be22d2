package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
)

// errDifferent is returned after a diff that found something, as kubectl diff
// does; it is no failure.
var errDifferent = errors.New("the two instants differ")

func (a *app) diffCommand() *cobra.Command {
	o := &stretch{look: &look{app: a}}
	cmd := &cobra.Command{
		Use:   "diff FILE [TYPE/NAME]",
		Short: "What is different between two instants and can matter to the subject",
		Long: `Diff compares two instants of a recording, object by object: the subject, what it
refers to, what refers to it, and what that refers to. Time stamps, versions and
heartbeats are left out. Who wrote what is different comes from managedFields: a
tool, never a person.

Without --since and --until it compares the instant before the worst outage of the
subject with that outage, and without a subject the worst of the recording.

EXIT STATUS
  0 nothing is different, 1 something is, 2 or more an error, as kubectl diff.`,
		Example: `  # what changed between the last good minute and the outage?
  svcspy diff incident.db svc/web -n shop --since 13:59 --until 14:02`,
		Args: subjectOfRecording(a, "diff"),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := o.diff(cmd.Context(), args[0], args[1:])
			if err != nil && !errors.Is(err, errDifferent) {
				return usageError{err, strings.Join(hintsFor(err), "\n")} // above 1, which says that they differ
			}
			return err
		},
	}
	o.addFlags(cmd)
	a.addOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *stretch) diff(ctx context.Context, file string, words []string) error {
	r, err := o.open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	if words, err = o.aroundWorst(ctx, r, words); err != nil {
		return err
	}
	from, to, err := o.bounds(r)
	if err != nil {
		return err
	}
	before, err := stateAt(r, from)
	if err != nil {
		return err
	}
	after, err := stateAt(r, to)
	if err != nil {
		return err
	}
	ref, err := o.subject(r, words, after.Seq())
	if err != nil {
		return err
	}
	items, err := story.Diff(before, after, ref)
	if err != nil {
		return err
	}
	var envelopes [2]report.Envelope
	for i, s := range []*replay.State{before, after} {
		if envelopes[i], err = report.New(s, analyzer.Diagnose(s, ref, analyzer.Options{})); err != nil {
			return err
		}
	}
	e := report.NewDiff(envelopes[0], envelopes[1], items)
	if o.output == "text" {
		err = report.DiffText(o.out, e, o.text())
	} else {
		err = report.Document(o.out, o.output, e)
	}
	if err == nil && len(items) > 0 {
		err = errDifferent
	}
	return err
}
