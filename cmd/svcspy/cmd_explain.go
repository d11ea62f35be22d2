package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/store"
)

type explainOptions struct{ cli.Range }

func explainCommand(a *cli.App) *cobra.Command {
	o := &explainOptions{Range: cli.Range{Query: &cli.Query{App: a}}}
	cmd := &cobra.Command{
		Use:   "explain FILE [TYPE/NAME]",
		Short: "The story of an outage: trigger, chain, what was lost, recovery",
		Long: `Explain prints one page about an outage: what changed and who changed it, the
effects, the lost endpoints, why nothing replaced them, other symptoms, the
recovery, the damage that remains, and what cannot be known. Every line names the
event with which it began; ` + "`svcspy replay FILE --at '#EVENT'`" + `
shows the state there.

If the recording begins during the outage, the page also shows the time before,
marked reconstructed, with the uncertainty of each time.

By default explain takes the worst outage of the subject, or of the recording if
there is no subject. With --at it takes the outage in progress at that instant,
or else the last one before.

EXIT STATUS
  0 explained, or there was no outage, 1 error, 2 wrong words or time, 4 explained,
  but the recording has a gap in it, 130 interrupted.`,
		Example: `  # the worst outage of the recording
  svcspy explain incident.db

  # what happened to web?
  svcspy explain incident.db svc/web -n shop

  # the outage that lasted at 14:02, as JSON
  svcspy explain incident.db svc/web --at 14:02 -o json`,
		Args: cli.SubjectOfRecording(a, "explain"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	cmd.Flags().StringVar(&o.At, "at", "", "an instant in or after the outage (default: the worst outage)")
	cmd.Flags().StringVarP(&o.Namespace, "namespace", "n", "", "namespace of the subject (default: the one that has it)")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *explainOptions) run(ctx context.Context, file string, words []string) error {
	r, err := o.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := cli.NotEmpty(r); err != nil {
		return err
	}
	if len(words) == 0 {
		if words, err = o.WorstSubject(ctx, r); err != nil {
			return err
		}
		o.Words = words
	}
	var at time.Time
	if o.At != "" {
		s, err := o.Seek(r)
		if err != nil {
			return err
		}
		at = s.Instant()
	}
	ref, err := o.Subject(r, words, r.Info().Last)
	if err != nil {
		return err
	}
	t, done := o.Walk(r)
	defer done()
	segments, err := o.Course(ctx, t, ref, false)
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	t.Causes()
	told, err := story.Explain(ctx, t, ref, segments, at)
	done()
	if errors.Is(err, story.ErrNoOutage) {
		o.Note("%s had no outage %s", cli.Slash(ref), map[bool]string{true: "in this recording", false: "at that time or before"}[at.IsZero()])
		all := make([]story.Transition, len(segments))
		for i := range segments {
			all[i].Segment = segments[i]
		}
		return (&timelineOptions{Range: o.Range}).show(report.NewTimeline(r.Info(), all, true))
	}
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	e := report.NewExplanation(r.Info(), told)
	if o.Output == "text" {
		err = report.ExplanationText(o.Out, e, o.Text())
	} else {
		err = report.Document(o.Out, o.Output, e)
	}
	if err != nil {
		return err
	}
	for _, s := range told.Course {
		if strings.HasPrefix(s.Gap, string(store.Gap)) {
			return cli.ErrGap
		}
	}
	return nil
}
