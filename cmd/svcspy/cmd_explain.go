package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/store"
)

type explainOptions struct{ stretch }

func (a *app) explainCommand() *cobra.Command {
	o := &explainOptions{stretch: stretch{look: &look{app: a}}}
	cmd := &cobra.Command{
		Use:   "explain FILE [TYPE/NAME]",
		Short: "The story of an outage: trigger, chain, what was lost, recovery",
		Long: `Explain tells the story of one outage in a page: what changed and who changed it,
what that led to, which endpoints were lost and how, why nothing took their
place, what else was so, how it ended, what is left of it, and what cannot be
known. Every line names the event with which it began; ` + "`svcspy replay FILE --at '#EVENT'`" + `
shows the state there.

If the recording begins in the outage, what is known of it from before is told
too, marked reconstructed, with how uncertain its times are.

Without --at it is the worst outage of the subject, and without a subject the
worst of the recording; with --at it is the outage that lasted at that instant,
or the last one before.

EXIT STATUS
  0 explained, or there was no outage, 1 error, 2 wrong words or time, 4 explained,
  but the recording has a gap in it, 130 interrupted.`,
		Example: `  # the worst outage of the recording
  svcspy explain incident.db

  # what happened to web?
  svcspy explain incident.db svc/web -n shop

  # the outage that lasted at 14:02, as JSON
  svcspy explain incident.db svc/web --at 14:02 -o json`,
		Args: subjectOfRecording(a, "explain"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	cmd.Flags().StringVar(&o.at, "at", "", "an instant in or after the outage (default: the worst outage)")
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "", "namespace of the subject (default: the one that has it)")
	a.addOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

// subjectOfRecording checks for a recording and one subject.
func subjectOfRecording(a *app, command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < 1 || len(args) > 3 {
			return usageError{errors.New(command + " takes a recording and at most one subject"), a.name + " " + command + " --help shows examples"}
		}
		return nil
	}
}

func (o *explainOptions) run(ctx context.Context, file string, words []string) error {
	r, err := o.open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := notEmpty(r); err != nil {
		return err
	}
	if len(words) == 0 {
		if words, err = o.worstSubject(ctx, r); err != nil {
			return err
		}
		o.words = words
	}
	var at time.Time
	if o.at != "" {
		s, err := o.seek(r)
		if err != nil {
			return err
		}
		at = s.Instant()
	}
	ref, err := o.subject(r, words, r.Info().Last)
	if err != nil {
		return err
	}
	t, done := o.walk(r)
	defer done()
	segments, err := o.course(ctx, t, ref, false)
	if err != nil {
		return interrupted(ctx, err)
	}
	t.causes()
	told, err := story.Explain(ctx, t, ref, segments, at)
	done()
	if errors.Is(err, story.ErrNoOutage) {
		o.note("%s had no outage %s", slash(ref), map[bool]string{true: "in this recording", false: "at that time or before"}[at.IsZero()])
		all := make([]story.Transition, len(segments))
		for i := range segments {
			all[i].Segment = segments[i]
		}
		return (&timelineOptions{stretch: o.stretch}).show(report.NewTimeline(r.Info(), all, true))
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	e := report.NewExplanation(r.Info(), told)
	if o.output == "text" {
		err = report.ExplanationText(o.out, e, o.text())
	} else {
		err = report.Document(o.out, o.output, e)
	}
	if err != nil {
		return err
	}
	for _, s := range told.Course {
		if strings.HasPrefix(s.Gap, string(store.Gap)) {
			return errGap
		}
	}
	return nil
}

// slash names an object for a person: services shop/web.
func slash(ref store.Ref) string {
	if ref.Namespace == "" {
		return ref.Resource.Resource + " " + ref.Name
	}
	return ref.Resource.Resource + " " + ref.Namespace + "/" + ref.Name
}
