package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) replayCommand() *cobra.Command {
	l := &look{app: a}
	var once bool
	cmd := &cobra.Command{
		Use:   "replay FILE [TYPE/NAME]",
		Short: "Look at a recorded outage at any instant",
		Long: `Replay runs the analyzer over a recording as if the cluster were there. On a
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

An instant before the recording, such as start-5m, steps into its reconstructed
past: what objects still told when it began. The answer says RECONSTRUCTED, rests
on dated facts alone, and each of those says how uncertain its time is. So does
the report of an outage that the recording begins in.

No cluster and no kubeconfig is used. The instant that was understood is
repeated on stderr. A bare clock time means that time inside the recording.

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
				return usageError{errors.New("replay takes a recording and at most one subject"), a.name + " replay --help shows examples"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !(l.speed > 0) {
				return usageError{fmt.Errorf("--speed %g is not above 0", l.speed), "try --speed 4"}
			}
			if !once && l.onScreen() {
				if err := l.check(); err != nil {
					return err
				}
				return l.screen(cmd.Context(), args[0], args[1:])
			}
			return l.replay(cmd.Context(), args[0], args[1:])
		},
	}
	l.addFlags(cmd)
	cmd.Flags().StringVarP(&l.namespace, "namespace", "n", "", "namespace of the subject, or of the Services listed (default: all)")
	cmd.Flags().BoolVar(&l.noHeaders, "no-headers", false, "list Services without the names of the columns")
	cmd.Flags().Float64Var(&l.speed, "speed", 1, "how fast the screen plays, such as 4 or 0.5")
	cmd.Flags().BoolVar(&once, "once", false, "print the report and exit (what happens off a terminal)")
	a.addOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

// replay answers from a file.
func (l *look) replay(ctx context.Context, file string, words []string) error {
	l.past = true
	if err := l.check(); err != nil {
		return err
	}
	r, err := l.open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	if len(words) == 0 && l.at == "" && !l.exitCode {
		return l.outages(ctx, r, file)
	}
	if len(words) > 0 && l.at == "" && !l.exitCode {
		if l.at, err = l.openingInstant(r); err != nil {
			return err
		}
		if l.at != "" {
			l.note("showing the first incident; --at end shows the end of the recording")
		}
	}
	s, err := l.seek(r)
	if err != nil {
		return err
	}
	if !r.Info().Closed {
		l.note("svcspy: note: this recording was never sealed: it ends where its recorder stopped writing")
	}
	return l.answer(s, words)
}
