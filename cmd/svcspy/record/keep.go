package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/replay/report"
)

func KeepCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "keep FILE",
		Short: "Have a flight recorder save its window",
		Long: `Keep asks the ` + "`record --ring`" + ` that writes FILE to save its window and the
next --keep-for, and prints the path of the recording that it saves. The flight
recorder continues. SIGUSR1 does the same; keep also works from another container
that shares the folder.

It asks on the socket beside FILE (FILE.sock), which only the user of the
recorder can open.

EXIT STATUS
  0 saving, 1 error (no recorder writes FILE, or it has ended), 2 wrong words.`,
		Example: `  svcspy record -f ring.db --ring 30m &
  svcspy keep ring.db`,
		Args: cli.OneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return keepWindow(a, cmd.Context(), args[0]) },
	}
}

// errNoRecorder is returned when nobody writes a recording any more.
var errNoRecorder = errors.New("no recorder is writing it; it ends where its recorder stopped writing")

func keepWindow(a *cli.App, ctx context.Context, file string) error {
	file, err := cli.LocalFile(file, "keep asks the recorder that writes the file")
	if err != nil {
		return err
	}
	r, err := a.OpenRecording(file)
	if err != nil {
		return err
	}
	closed := r.Info().Closed
	if err := r.Close(); err != nil {
		return err
	}
	if closed {
		return fmt.Errorf("keep %s: the recording has ended; it is kept as it is", file)
	}
	ctx, stop := a.Interruptible(ctx)
	defer stop()
	answer, err := flight.Ask(ctx, file, flight.Request{Verb: flight.Keep})
	switch {
	case errors.Is(err, flight.ErrNoRecorder):
		return fmt.Errorf("keep %s: %w", file, errNoRecorder)
	case errors.Is(err, context.Canceled):
		return cli.ErrInterrupted
	case err != nil:
		return fmt.Errorf("keep %s: %w", file, err)
	}
	a.Note("%s", report.Clean(answer.Remark))
	_, err = fmt.Fprintln(a.Out, report.Clean(answer.Path))
	return err
}
