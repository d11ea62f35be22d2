package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// ManCommand writes man pages. It is hidden: packagers call it, users read the
// pages.
func (a *App) ManCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages",
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return Usage(fmt.Errorf("man takes one folder, got %d", len(args)), a.Name+" man bin/man")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return writeMan(cmd.Root(), args[0]) },
	}
}

// writeMan writes a page for each command, with its exit status as a section of
// its own, into a folder.
func writeMan(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	all := []*cobra.Command{root}
	for i := 0; i < len(all); i++ {
		cmd := all[i]
		all = append(all, cmd.Commands()...)
		cmd.DisableAutoGenTag = true
		text, exit := CutExit(cmd.Long)
		cmd.Long = strings.ReplaceAll(text, "\n  ", "\n    ") // a block, not a paragraph
		if exit != "" {
			cmd.Long += "\n\n# EXIT STATUS\n" + strings.TrimPrefix(strings.ReplaceAll(exit, "\n  ", "\n"), "  ")
		}
	}
	date := time.Unix(0, 0).UTC() // the same pages from the same source
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: Program + " " + ProgramVersion(), Manual: Program}, dir)
}
