package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// within cuts transitions to the stretch.
func within(all []story.Transition, from, to time.Time) []story.Transition {
	var cut []story.Transition
	for _, t := range all {
		if t.To.After(from) && t.From.Before(to) || t.From.Equal(from) {
			cut = append(cut, t)
		}
	}
	return cut
}

type timelineOptions struct {
	cli.Range
	all bool
	raw bool
}

func timelineCommand(a *cli.App) *cobra.Command {
	o := &timelineOptions{Range: cli.Range{Query: &cli.Query{App: a}}}
	cmd := &cobra.Command{
		Use:   "timeline FILE [TYPE/NAME | --all]",
		Short: "Every change of verdict, with what changed and who changed it",
		Long: `Timeline evaluates a subject over the whole recording and prints a line for each
stretch in which the verdict and its cause stayed the same, and under it what
explains the change and how firmly:

  counterfactual  with the change undone in the model, the verdict is another
  structural      what fails has the change, and what works does not
  correlated      it came before, and could explain it

A write after which the subject serves on and is less safe, such as fewer replicas or
a probe that was removed, stands under the stretch in which it happened.

If the recording begins during an outage, the reconstructed time before comes
first: the latest moment at which traffic can have stopped, and the dated facts
that explain it.

Stretches under two seconds are merged; --raw keeps them. Without a subject, or
with --all, every Service is evaluated. Ctrl-C prints what is known so far.

EXIT STATUS
  0 printed, 1 error, 2 wrong words or time, 4 printed, but there are gaps in the
  recording, 130 interrupted: what is printed is not complete.`,
		Example: `  # the outages of one Service
  svcspy timeline incident.db svc/web -n shop

  # everything that went wrong in ten minutes
  svcspy timeline incident.db --all --since 14:00 --until 14:10`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 || len(args) > 3:
				return cli.Usage(errors.New("timeline takes a recording and at most one subject"), a.Name+" timeline --help shows examples")
			case o.all && len(args) > 1:
				return cli.Usage(errors.New("--all and a subject cannot be used together"), "")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	o.AddFlags(cmd)
	cmd.Flags().BoolVarP(&o.all, "all", "A", false, "every Service of the recording")
	cmd.Flags().BoolVar(&o.raw, "raw", false, "keep stretches that lasted less than two seconds")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *timelineOptions) run(ctx context.Context, file string, words []string) error {
	r, err := o.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	from, to, err := o.Resolve(r)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return o.everything(ctx, r, from, to)
	}
	ref, err := o.Subject(r, words, r.Info().Last)
	if err != nil {
		return err
	}
	t, done := o.Walk(r)
	defer done()
	segments, cut := o.Course(ctx, t, ref, o.raw)
	if cut != nil && ctx.Err() == nil {
		return cut
	}
	t.Causes()
	all, err := story.Transitions(ctx, t, ref, segments)
	if err != nil && ctx.Err() == nil {
		return err
	}
	risks, err := story.Risks(ctx, t, ref, segments)
	if err != nil && ctx.Err() == nil {
		return err
	}
	for len(all) < len(segments) { // interrupted: the verdicts are known, the causes are not
		all = append(all, story.Transition{Segment: segments[len(all)]})
	}
	all = within(all, from, to)
	if from.Equal(r.Info().Start) && len(all) > 0 && ctx.Err() == nil {
		before, err := story.PreludeTo(r, ref, segments)
		if err != nil {
			return err
		}
		all = append(before.Stretches(&segments[0]), all...)
	}
	marks, err := r.Marks()
	if err != nil {
		return err
	}
	done()
	e := report.NewTimeline(r.Info(), all, ctx.Err() == nil)
	e.Mark(marks)
	e.Risk(risks)
	if err := o.show(e); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return cli.ErrInterrupted
	}
	return gapIn(all)
}

func (o *timelineOptions) show(e report.TimelineEnvelope) error {
	if o.Output == "text" {
		return report.TimelineText(o.Out, e, o.Text())
	}
	return report.Document(o.Out, o.Output, e)
}

func gapIn(all []story.Transition) error {
	for _, t := range all {
		if strings.HasPrefix(t.Gap, string(store.Gap)) {
			return cli.ErrGap
		}
	}
	return nil
}

// everything prints the verdicts on all Services; as text, each as soon as it is
// known. What happened to each is explained by `svcspy timeline FILE svc/NAME`.
func (o *timelineOptions) everything(ctx context.Context, t replay.Timeline, from, to time.Time) error {
	bar := o.Counter("Services")
	defer bar.End()
	list := report.TimelineList{APIVersion: report.APIVersion, Kind: "TimelineList", Recording: report.RecordingOf(t.Info()), Complete: true, Items: []report.TimelineEnvelope{}}
	lines := report.ListTimelines(o.Out, list.Recording, o.Text())
	var gap error
	for c, err := range verdict.All(ctx, t, from, to, bar.Show) {
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err != nil {
			list.Complete = false
			break
		}
		if o.Namespace != "" && o.Namespace != c.Subject.Namespace {
			continue
		}
		all, err := o.stretches(ctx, t, &c, from)
		if err != nil {
			return err
		}
		if gap == nil {
			gap = gapIn(all)
		}
		e := report.NewTimeline(t.Info(), all, !c.Cut)
		if o.Output != "text" {
			list.Items = append(list.Items, e)
			continue
		}
		if lines.Telling(&e) {
			bar.End() // it goes on below
		}
		if err := lines.Add(&e); err != nil {
			return err
		}
	}
	bar.End()
	var err error
	if o.Output == "text" {
		err = lines.End(list.Complete)
	} else {
		err = report.Document(o.Out, o.Output, list)
	}
	switch {
	case err != nil:
		return err
	case !list.Complete:
		return cli.ErrInterrupted
	}
	return gap
}

// stretches are the segments of one Service of many, and what is known of the
// time before if it was not well when the recording began.
func (o *timelineOptions) stretches(ctx context.Context, t replay.Timeline, c *verdict.Course, from time.Time) ([]story.Transition, error) {
	segments := c.Segments
	if !o.raw {
		segments = verdict.Settle(segments)
	}
	var all []story.Transition
	if from.Equal(t.Info().Start) && len(segments) > 0 && ctx.Err() == nil {
		before, err := story.PreludeTo(t, c.Subject, segments)
		if err != nil {
			return nil, err
		}
		all = before.Stretches(&segments[0])
	}
	for _, s := range segments {
		all = append(all, story.Transition{Segment: s})
	}
	return all, nil
}
