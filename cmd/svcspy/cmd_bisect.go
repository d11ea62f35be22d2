package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
)

type bisectOptions struct {
	stretch
	good, bad string
}

func (a *app) bisectCommand() *cobra.Command {
	o := &bisectOptions{stretch: stretch{look: &look{app: a}}}
	cmd := &cobra.Command{
		Use:   "bisect FILE [TYPE/NAME]",
		Short: "The first change after which it was broken",
		Long: `Bisect finds the last moment between a good and a bad instant at which the
subject was as good as at the good one, and what changed then. As replay is
exact, nothing has to be tried out.

Without --good and --bad they are the instant before the worst outage of the
subject and that outage, and without a subject the worst of the recording.

EXIT STATUS
  0 found, 1 error, 2 wrong words or times, 130 interrupted.`,
		Example: `  svcspy bisect incident.db svc/web -n shop --good 13:50 --bad 14:02`,
		Args:    subjectOfRecording(a, "bisect"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.good, "good", "", "an instant at which it worked")
	flags.StringVar(&o.bad, "bad", "", "a later instant at which it did not")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "namespace of the subject (default: the one that has it)")
	a.addOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *bisectOptions) run(ctx context.Context, file string, words []string) error {
	if (o.good == "") != (o.bad == "") {
		return usageError{errors.New("bisect needs --good and --bad, or neither"), o.name + " timeline FILE shows when it was what"}
	}
	r, err := o.open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	o.since, o.until, o.flags = o.good, o.bad, [2]string{"--good", "--bad"}
	if words, err = o.aroundWorst(ctx, r, words); err != nil {
		return err
	}
	good, bad, err := o.resolve(r)
	if err != nil {
		return err
	}
	ref, err := o.subject(r, words, r.Info().Last)
	if err != nil {
		return err
	}
	t, done := o.walk(r)
	defer done()
	found, err := story.Bisect(ctx, t, ref, good, bad)
	done()
	if err != nil {
		return interrupted(ctx, err)
	}
	e := report.NewTimeline(r.Info(), []story.Transition{*found}, true)
	if o.output == "text" {
		return report.TimelineText(o.out, e, o.text())
	}
	return report.Document(o.out, o.output, e)
}
