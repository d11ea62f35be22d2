package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

func replayCommand(a *cli.App) *cobra.Command {
	l := &cli.Query{App: a}
	var once bool
	cmd := &cobra.Command{
		Use:   "replay FILE [TYPE/NAME]",
		Short: "Look at a recorded outage at any instant",
		Long: `Replay runs the analyzer over a recording as if it were the live cluster. On a
terminal it shows the outage on the whole screen, to be stepped through like a
video: n and N go to the changes of verdict, . and , to what happened, e says
why, space plays, ? lists all keys. A recording that is still being written is
followed; End goes to its end. Without a subject the screen lists all Services
with their course. No key changes anything but the marks (m) in the recording.

Elsewhere, and with --once, -o, --exit-code or a client (--from, --port, --symptom),
it prints from top to bottom, as screen readers need it. Without a subject and
without --at that is the list of outages, worst first: what broke, when, for how
long, what triggered it, who did that, and how it ended. With --at it lists all
Services at that instant, worst first, and explains the worst one. With a subject
it prints the report at --at, or at the first incident of the subject.

` + "`svcspy FILE`" + ` is short for ` + "`svcspy replay FILE`" + `.

An instant before the recording, such as start-5m, shows the past reconstructed
from the objects that existed when it began. The answer says RECONSTRUCTED and
rests on dated facts alone, each with the uncertainty of its time. The report of
an outage during which the recording begins does the same.

No cluster and no kubeconfig is used. Stderr repeats the instant as understood.
A bare clock time means that time inside the recording.

FILE may be the address of an object, s3://BUCKET/KEY or https://HOST/PATH: it is
read by ranges, as far as the question needs it. So for every command that reads a
recording; those that write to it need a file.

EXIT STATUS
  0 answered, 1 error, 2 wrong words or time, 3 not serving (with --exit-code),
  4 answered, but the recording has a gap or damage at that time, or begins later.`,
		Example: `  # what was wrong at 14:02?
  svcspy replay incident.db --at 14:02

  # on the screen, played four times as fast
  svcspy replay incident.db svc/web -n shop --speed 4

  # it was recorded late: what was so just before?
  svcspy replay incident.db svc/web -n shop --at start-1s

  # one Service, half a minute before the recording ends, as JSON
  svcspy replay incident.db svc/web -n shop --at end-30s -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 3 {
				return cli.Usage(errors.New("replay takes a recording and at most one subject"), a.Name+" replay --help shows examples")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !(l.Speed > 0) {
				return cli.Usage(fmt.Errorf("--speed %g is not above 0", l.Speed), "try --speed 4")
			}
			if !once && l.OnScreen() {
				if err := l.Check(); err != nil {
					return err
				}
				return l.Screen(cmd.Context(), args[0], args[1:])
			}
			return runReplay(l, cmd.Context(), args[0], args[1:])
		},
	}
	l.AddFlags(cmd)
	cmd.Flags().StringVarP(&l.Namespace, "namespace", "n", "", "namespace of the subject, or of the Services listed (default: all)")
	cmd.Flags().BoolVar(&l.NoHeaders, "no-headers", false, "list Services without the names of the columns")
	cmd.Flags().Float64Var(&l.Speed, "speed", 1, "how fast the screen plays, such as 4 or 0.5")
	cmd.Flags().BoolVar(&once, "once", false, "print the report and exit (what happens off a terminal)")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

// runReplay answers from a file.
func runReplay(l *cli.Query, ctx context.Context, file string, words []string) error {
	l.Past = true
	if err := l.Check(); err != nil {
		return err
	}
	r, err := l.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	if len(words) == 0 && l.At == "" && !l.ExitCode {
		return l.Outages(ctx, r, file)
	}
	if len(words) > 0 && l.At == "" && !l.ExitCode {
		if l.At, err = l.OpeningInstant(r); err != nil {
			return err
		}
		if l.At != "" {
			l.Note("showing the first incident; --at end shows the end of the recording")
		}
	}
	s, err := l.Seek(r)
	if err != nil {
		return err
	}
	if !r.Info().Closed {
		l.Note("svcspy: note: this recording was never sealed: it ends where its recorder stopped writing")
	}
	return l.Answer(s, words)
}
