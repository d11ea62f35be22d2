package main

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// shells are those that completion has a script for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func completionCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the script that completes command lines in a shell",
		Long: `Completion prints a script for bash, zsh, fish or PowerShell. With it the shell completes
commands and flags, recordings, and what is inside of a recording: subjects as
TYPE/NAME, namespaces, and instants such as incident, verdict:3 and the marks.
No cluster is asked. For bash the package bash-completion is needed.

As a kubectl plugin, kubectl completes it with a program kubectl_complete-svcspy
on the PATH; a link of that name to this program is one.

EXIT STATUS
  0 printed, 2 wrong words.`,
		Example: `  # bash: for this shell, or for every one
  source <(svcspy completion bash)
  svcspy completion bash > ~/.local/share/bash-completion/completions/svcspy

  # zsh: into a folder of $fpath
  svcspy completion zsh > "${fpath[1]}/_svcspy"

  # fish
  svcspy completion fish > ~/.config/fish/completions/svcspy.fish

  # PowerShell: for this session, or in $PROFILE for every one
  svcspy completion powershell | Out-String | Invoke-Expression

  # as a kubectl plugin
  ln -s "$(command -v svcspy)" ~/.local/bin/kubectl-svcspy
  ln -s "$(command -v svcspy)" ~/.local/bin/kubectl_complete-svcspy`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(shells, args[0]) {
				return nil
			}
			return cli.Usage(cli.ErrShell, a.Name+" completion --help shows where the script goes")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return bashCompletion(root, a.Out)
			case "zsh":
				return root.GenZshCompletion(a.Out)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.Out)
			}
			return root.GenFishCompletion(a.Out, true)
		},
	}
}

// bashCompletion prints the script for bash. It quotes what is completed as bash
// quotes words, which is also done to a comma, although that needs none: a list
// such as pods,svc would never be what was typed.
func bashCompletion(root *cobra.Command, w io.Writer) error {
	var script bytes.Buffer
	if err := root.GenBashCompletionV2(&script, true); err != nil {
		return err
	}
	quoted := strings.NewReplacer(
		`|| comp=$(printf "%q" "${compline%%$tab*}")`, `|| comp=$(printf "%q" "${compline%%$tab*}"); comp=${comp//\\,/,}`,
		`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}")`, `COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}"); COMPREPLY[0]=${COMPREPLY[0]//\\,/,}`,
	)
	_, err := quoted.WriteString(w, script.String())
	return err
}
