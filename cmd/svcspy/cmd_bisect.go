package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
)

type bisectOptions struct {
	cli.Range
	good, bad string
}

func bisectCommand(a *cli.App) *cobra.Command {
	o := &bisectOptions{Range: cli.Range{Query: &cli.Query{App: a}}}
	cmd := &cobra.Command{
		Use:   "bisect FILE [TYPE/NAME]",
		Short: "The first change after which it was broken",
		Long: `Bisect searches between a good and a bad instant. It prints the last moment at
which the subject was still as good as at the good instant, and the change after
which it was not. Where the verdict is the same at both, it searches the risk: the
last change after which the subject served on and was less safe.

By default, good is the instant before the worst outage of the subject and bad
is that outage. Without a subject it is the worst outage of the recording.

EXIT STATUS
  0 found, 1 error, 2 wrong words or times, 130 interrupted.`,
		Example: `  svcspy bisect incident.db svc/web -n shop --good 13:50 --bad 14:02`,
		Args:    cli.SubjectOfRecording(a, "bisect"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.good, "good", "", "an instant at which it worked")
	flags.StringVar(&o.bad, "bad", "", "a later instant at which it did not")
	flags.StringVarP(&o.Namespace, "namespace", "n", "", "namespace of the subject (default: the one that has it)")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *bisectOptions) run(ctx context.Context, file string, words []string) error {
	if (o.good == "") != (o.bad == "") {
		return cli.Usage(errors.New("bisect needs --good and --bad, or neither"), o.Name+" timeline FILE shows when it was what")
	}
	r, err := o.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	o.Since, o.Until, o.Flags = o.good, o.bad, [2]string{"--good", "--bad"}
	if words, err = o.AroundWorst(ctx, r, words); err != nil {
		return err
	}
	good, bad, err := o.Resolve(r)
	if err != nil {
		return err
	}
	ref, err := o.Subject(r, words, r.Info().Last)
	if err != nil {
		return err
	}
	t, done := o.Walk(r)
	defer done()
	found, err := story.Bisect(ctx, t, ref, good, bad)
	done()
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	e := report.NewTimeline(r.Info(), []story.Transition{*found}, true)
	if o.Output == "text" {
		return report.TimelineText(o.Out, e, o.Text())
	}
	return report.Document(o.Out, o.Output, e)
}
