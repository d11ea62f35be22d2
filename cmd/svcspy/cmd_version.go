package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

func versionCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Version prints the version of svcspy with its commit, the version of Go, the
platform, and the date of the commit. A recording says which version wrote it:
svcspy info. The API server reads it in the User-Agent of each request.

EXIT STATUS
  0 printed, 2 wrong words.`,
		Example: "  svcspy version",
		Args:    cli.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.Out, cli.VersionLine())
			return err
		},
	}
}
