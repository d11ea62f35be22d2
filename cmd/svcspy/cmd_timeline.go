package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

func (s *stretch) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.since, "since", "", "the instant to begin at, such as 14:02 or start+5m (default: the start)")
	flags.StringVar(&s.until, "until", "", "the instant to end at (default: the end)")
	flags.StringVarP(&s.namespace, "namespace", "n", "", "namespace of the subject (default: the one that has it)")
}

// course returns the verdicts on a subject in the whole recording, settled, so
// that what is said of one instant does not depend on where one began to look.
// With an error of the context it returns those so far.
func (s *stretch) course(ctx context.Context, t replay.Timeline, ref store.Ref, raw bool) ([]verdict.Segment, error) {
	info := t.Info()
	segments, err := verdict.Of(ctx, t, ref, info.Start, info.End)
	if !raw {
		segments = verdict.Settle(segments)
	}
	return segments, err
}

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
	stretch
	all bool
	raw bool
}

func (a *app) timelineCommand() *cobra.Command {
	o := &timelineOptions{stretch: stretch{look: &look{app: a}}}
	cmd := &cobra.Command{
		Use:   "timeline FILE [TYPE/NAME | --all]",
		Short: "Every change of verdict, with what changed and who changed it",
		Long: `Timeline evaluates a subject over the whole recording and prints a line for each
stretch in which the verdict and its cause stayed the same, and under it what
explains the change and how firmly:

  counterfactual  with the change undone in the model, the verdict is another
  structural      what fails has the change, and what works does not
  correlated      it came before, and could explain it

If the recording begins in an outage, what is known of the time before stands
first, marked reconstructed: since when, at the latest, nothing was served, and
the dated facts that explain it.

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
				return usageError{errors.New("timeline takes a recording and at most one subject"), a.name + " timeline --help shows examples"}
			case o.all && len(args) > 1:
				return usageError{errors.New("--all and a subject exclude each other"), ""}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVarP(&o.all, "all", "A", false, "every Service of the recording")
	cmd.Flags().BoolVar(&o.raw, "raw", false, "keep stretches that lasted less than two seconds")
	a.addOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *timelineOptions) run(ctx context.Context, file string, words []string) error {
	r, err := o.open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	from, to, err := o.resolve(r)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return o.everything(ctx, r, from, to)
	}
	ref, err := o.subject(r, words, r.Info().Last)
	if err != nil {
		return err
	}
	t, done := o.walk(r)
	defer done()
	segments, cut := o.course(ctx, t, ref, o.raw)
	if cut != nil && ctx.Err() == nil {
		return cut
	}
	t.causes()
	all, err := story.Transitions(ctx, t, ref, segments)
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
	if err := o.show(e); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	return gapIn(all)
}

func (o *timelineOptions) show(e report.TimelineEnvelope) error {
	if o.output == "text" {
		return report.TimelineText(o.out, e, o.text())
	}
	return report.Document(o.out, o.output, e)
}

func gapIn(all []story.Transition) error {
	for _, t := range all {
		if strings.HasPrefix(t.Gap, string(store.Gap)) {
			return errGap
		}
	}
	return nil
}

// everything prints the verdicts on all Services; as text, each as soon as it is
// known. What happened to each is explained by `svcspy timeline FILE svc/NAME`.
func (o *timelineOptions) everything(ctx context.Context, t replay.Timeline, from, to time.Time) error {
	bar := o.counter("Services")
	defer bar.end()
	list := report.TimelineList{APIVersion: report.APIVersion, Kind: "TimelineList", Recording: report.RecordingOf(t.Info()), Complete: true, Items: []report.TimelineEnvelope{}}
	lines := report.ListTimelines(o.out, list.Recording, o.text())
	var gap error
	for c, err := range verdict.All(ctx, t, from, to, bar.show) {
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err != nil {
			list.Complete = false
			break
		}
		if o.namespace != "" && o.namespace != c.Subject.Namespace {
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
		if o.output != "text" {
			list.Items = append(list.Items, e)
			continue
		}
		if lines.Telling(&e) {
			bar.end() // it goes on below
		}
		if err := lines.Add(&e); err != nil {
			return err
		}
	}
	bar.end()
	var err error
	if o.output == "text" {
		err = lines.End(list.Complete)
	} else {
		err = report.Document(o.out, o.output, list)
	}
	switch {
	case err != nil:
		return err
	case !list.Complete:
		return errInterrupted
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
