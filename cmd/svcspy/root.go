package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/files"
	"github.com/svcspy/svcspy/cmd/svcspy/kubectl"
	"github.com/svcspy/svcspy/cmd/svcspy/process"
	"github.com/svcspy/svcspy/cmd/svcspy/record"
)

// run executes one command line and returns the exit code.
func run(args []string, in io.Reader, out, errw io.Writer) int {
	return runContext(context.Background(), args, in, out, errw)
}

// runContext is run for a caller that may lose interest.
func runContext(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	a := &cli.App{In: in, Out: out, Err: errw, Now: time.Now, Name: cli.Program, Context: ctx}
	words := args[1:]
	switch called := filepath.Base(args[0]); {
	case strings.HasPrefix(called, "kubectl-svcspy"):
		a.Name = cli.Plugin
	case strings.HasPrefix(called, "kubectl_complete-svcspy"):
		// What kubectl asks to complete the command line of its plugin.
		a.Name = cli.Plugin
		words = append([]string{cobra.ShellCompRequestCmd}, words...)
	}
	root := newRoot(a, words...)
	words = cli.WithFile(root, words)
	root.SetArgs(words)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	began := a.Now()
	err := root.ExecuteContext(ctx)
	unread := a.SourceError()
	switch {
	case unread != nil:
		err = unread // whatever was printed rests on less than there is
	case process.Unread(err):
		err = nil // what was to be kept is
	case err != nil:
	case a.Unprinted != nil:
		err = a.Unprinted
	case a.Damaged:
		err = cli.ErrGap
	}
	a.PrintError(err)
	a.Detail("exit code %d after %s", cli.ExitCode(err), a.Now().Sub(began).Round(time.Millisecond))
	return cli.ExitCode(err)
}

func newRoot(a *cli.App, words ...string) *cobra.Command {
	root := &cobra.Command{
		Use:   cli.Program + " COMMAND",
		Short: "The flight recorder and time machine for Kubernetes outages",
		Long: `svcspy records what a Kubernetes cluster does during an outage into one file,
and explains, from the cluster or from the file, at any instant, why a Service
gets no traffic: one cause, the evidence, and what cannot be known.`,
		Version:       cli.ProgramVersion(),
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.UnknownCommand(cmd, args[0])
			}
			fmt.Fprintf(a.Out, `svcspy records Kubernetes outages into one file and explains them at any instant.
  %[1]s demo      an outage explained, without a cluster
  %[1]s record    record the cluster you are connected to
`, a.Name)
			return nil
		},
	}
	if a.Name != cli.Program {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: a.Name}
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	help := a.HelpCommand()
	root.SetHelpCommand(help)
	root.SetVersionTemplate(cli.VersionLine() + "\n")
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.Unprinted = a.Help(a.Out, cmd) })
	flags := root.PersistentFlags()
	flags.StringVar(&a.ZoneName, "tz", "", "time zone for reading and showing times, such as Europe/Berlin (default: the local one)")
	flags.StringVar(&a.Color, "color", "auto", "colour the output: auto, always or never")
	flags.BoolVarP(&a.Quiet, "quiet", "q", false, "print no progress and no notes, only data, warnings and errors")
	flags.IntVarP(&a.Verbosity, "verbosity", "v", 0, "log to stderr what is done: 1 files and times, 6 each request to the API server, 8 its headers")
	flags.BoolP("help", "h", false, "show this page")
	root.Flags().Bool("version", false, "print the version")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		a.Output = cli.FormatOf(words)
		if cmd == root && len(words) > 0 && !strings.HasPrefix(words[0], "-") { // its flags are not ours
			return a.UnknownCommand(root, words[0])
		}
		return cli.Usage(err, cmd.CommandPath()+" --help shows the flags")
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		process.OutliveLimits()
		if cmd.Name() == "record" {
			process.OutliveReaders()
		}
		if a.Color != "auto" && a.Color != "always" && a.Color != "never" {
			return cli.Usage(fmt.Errorf("--color %q is not one of auto, always, never", a.Color), "")
		}
		a.LogRequests()
		_, err := a.Zone()
		return err
	}
	root.AddCommand(
		record.Command(a), record.KeepCommand(a), importCommand(a), record.AgentCommand(a), files.ListCommand(a), files.FetchCommand(a), files.ExportCommand(a),
		traceCommand(a), replayCommand(a), files.ViewCommand(a), timelineCommand(a), explainCommand(a),
		diffCommand(a), bisectCommand(a), changesCommand(a), files.ReportCommand(a),
		kubectl.GetCommand(a), kubectl.EventsCommand(a), kubectl.ServeCommand(a), kubectl.ShellCommand(a), kubectl.MCPCommand(a, runContext), assertCommand(a),
		files.InfoCommand(a), files.VerifyCommand(a), files.CompactCommand(a), files.JoinCommand(a),
		files.CutCommand(a), files.ShareCommand(a), files.ScanCommand(a), files.MarkCommand(a),
		demoCommand(a), completionCommand(a), versionCommand(a), a.ManCommand(), help, a.ExitCodesTopic(), a.TimesTopic(), a.RedactionTopic(),
	)
	for _, cmd := range root.Commands() {
		if slices.Contains(everywhere, cmd.Name()) {
			acceptAllNamespaces(cmd)
		}
	}
	a.Completions(root)
	return root
}

// everywhere are the commands that look in all namespaces unless -n names one.
var everywhere = []string{"replay", "timeline", "explain", "diff", "bisect", "report", "view"}

// acceptAllNamespaces has a command take kubectl's -A, which is what it does anyway.
func acceptAllNamespaces(cmd *cobra.Command) {
	letter := "A"
	if cmd.Flags().ShorthandLookup(letter) != nil {
		letter = "" // of timeline it is --all, which says the same
	}
	all := cmd.Flags().BoolP("all-namespaces", letter, false, "all namespaces (the default)")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if *all && cmd.Flags().Changed("namespace") {
			return cmd.Flags().Set("namespace", "")
		}
		return nil
	}
}
