package files

import (
	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// InfoCommand returns the command info.
func InfoCommand(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "Show what a recording holds",
		Long: `Info prints the range of a recording, its cluster, its resources with counts and
sizes, when each was being listened to, what was redacted, how far the clocks of
the API server and the recorder were apart and when the latter was set, and the
digest. It reads no events but, if they are few, those of the first lists: they
tell how far back the time before the recording can be reconstructed. So it is
quick however large the file is.

EXIT STATUS
  0 printed, 1 error, 2 wrong words.`,
		Example: `  svcspy info incident.db
  svcspy info incident.db -o json`,
		Args: cli.OneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return a.Info(args[0]) },
	}
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}
