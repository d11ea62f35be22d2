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
		Long: `Info prints the time range of a recording, its cluster, its resources with
counts and sizes, when each was watched, what was redacted, the difference
between the clocks of the API server and the recorder, when the recorder's clock
was set, and the digest. It is quick however large the file is, because it reads
no events except those of the first lists, if they are few: from these it tells
how far back the past can be reconstructed.

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
