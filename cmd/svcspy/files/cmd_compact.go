package files

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// CompactCommand returns the command compact.
func CompactCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "compact FILE OUT",
		Short: "Rewrite a recording as small as possible",
		Long: `Compact rewrites a recording into a new file. An interrupted recording becomes
as small as a sealed one and gets a digest, but remains marked as incomplete.
Event numbers, times and marks stay the same. Compact refuses a damaged
recording; svcspy verify names the damage.

EXIT STATUS
  0 written, 1 error, 2 wrong words.`,
		Example: `  svcspy compact killed.db small.db`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usage(errors.New("compact takes a recording and a new name"), a.Name+" compact FILE OUT")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := cli.LocalFile(args[0], "compact rewrites a file")
			if err = errors.Join(err, cli.Readable(file), cli.Writable(args[1])); err != nil {
				return err
			}
			before, err := os.Stat(file)
			if err != nil {
				return err
			}
			info, err := store.Compact(file, args[1])
			if err != nil {
				return err
			}
			after, err := os.Stat(args[1])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "%s\n  %d events from %s to %s\n  %s, was %s\n  sha256 %s\n", report.Clean(args[1]), info.Events,
				when.Format(info.Start), when.Format(info.End), report.Bytes(after.Size()), report.Bytes(before.Size()), info.SHA256)
			return err
		},
	}
}
