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
		Long: `Version prints the version of svcspy, of Go, and the platform. A recording says
which version wrote it: svcspy info.

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
