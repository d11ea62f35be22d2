package kubectl

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// ShellCommand returns the command shell.
func ShellCommand(a *cli.App) *cobra.Command {
	p := &ServeOptions{App: a}
	var command string
	cmd := &cobra.Command{
		Use:   "shell FILE",
		Short: "Open a shell in which kubectl looks at the past",
		Long: `Shell serves a recording as serve does, and runs your shell with KUBECONFIG set
to it, so that kubectl in that shell, and nowhere else, looks at the recorded
instant. The prompt says which. When the shell ends, so does the server. The ages
in ` + "`kubectl describe` and `kubectl events`" + ` are counted up to now, by kubectl.

With -c it runs one command instead and ends with its exit status.

EXIT STATUS
  that of the shell or the command, else 1 error, 2 wrong words or time, 130 the
  shell was killed.`,
		Example: `  # look around at 14:02
  svcspy shell incident.db --at 14:02

  # one question
  svcspy shell incident.db --at 14:02 -c 'kubectl get pods -A -o wide'`,
		Args: oneRecording("shell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(cmd); err != nil {
				return err
			}
			// Signals are for the shell: it is in the same terminal, and gets them.
			ctx, signals := cli.Twice(cmd.Context())
			defer signals.Stop()
			return p.Serve(ctx, args[0], func(at *Served) error { return p.run(at, command) })
		},
	}
	p.addFlags(cmd)
	cmd.Flags().StringVarP(&command, "command", "c", "", "run this command and exit")
	return cmd
}

// countsAges finds commands of kubectl that count ages by the clock of this machine.
var countsAges = regexp.MustCompile(`\bkubectl\b.*\b(describe|events)\b`)

// run runs the user's shell, or one command line in it.
func (p *ServeOptions) run(at *Served, line string) error {
	path := os.Getenv("SHELL")
	if path == "" {
		path = "/bin/sh"
	}
	args, env, err := prompt(at, path)
	if err != nil {
		return err
	}
	if line == "" || countsAges.MatchString(line) {
		p.Note(ownClock)
	}
	if line != "" {
		args, env = []string{"-c", line}, nil
	}
	shell := exec.Command(path, args...)
	shell.Stdin, shell.Stdout, shell.Stderr = p.In, p.Out, p.Err
	shell.Env = append(os.Environ(), env...)
	shell.Env = append(shell.Env,
		"KUBECONFIG="+at.Kubeconfig,
		"KUBECACHEDIR="+filepath.Join(at.dir, "cache"), // discovery of a server that will be gone
		"SVCSPY_CONTEXT="+at.contexts[0],
	)
	err = shell.Run()
	var status *exec.ExitError
	switch {
	case errors.As(err, &status):
		if status.ExitCode() < 0 {
			return cli.Exited{Code: cli.ExitInterrupted} // by a signal
		}
		return cli.Exited{Code: status.ExitCode()}
	case err != nil:
		return fmt.Errorf("run %s: %w", path, err)
	}
	return nil
}

// prompt returns how to start an interactive shell whose prompt begins with the
// context. The user's own start files still apply: they are read first, and may
// have set the prompt.
func prompt(at *Served, shell string) (args, env []string, err error) {
	prefix := "(" + at.contexts[0] + ") "
	switch filepath.Base(shell) {
	case "bash":
		rc := filepath.Join(at.dir, "bashrc")
		text := "[ -r ~/.bashrc ] && . ~/.bashrc\nPS1='" + prefix + "'\"$PS1\"\n"
		return []string{"--rcfile", rc, "-i"}, nil, os.WriteFile(rc, []byte(text), 0o600)
	case "zsh":
		home := os.Getenv("ZDOTDIR")
		if home == "" {
			home = os.Getenv("HOME")
		}
		text := "ZDOTDIR=" + command.Quote(home) + "\n[ -r \"$ZDOTDIR/.zshrc\" ] && . \"$ZDOTDIR/.zshrc\"\nPROMPT='" + prefix + "'\"$PROMPT\"\n"
		return []string{"-i"}, []string{"ZDOTDIR=" + at.dir}, os.WriteFile(filepath.Join(at.dir, ".zshrc"), []byte(text), 0o600)
	}
	return nil, []string{"PS1=" + prefix + "$ "}, nil
}
