package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones by name also where the system has none

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/svcspy/svcspy/replay/report"
)

// app is what the commands share: the streams, the clock, and the flags that
// every command has. Commands print data to out and everything else to err.
type app struct {
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
	name     string // how the program was called: "svcspy", or "kubectl svcspy" as a plugin

	zoneName string
	color    string
	quiet    bool

	verbosity int
	damaged   bool   // the recording that was asked is
	unprinted error  // why a page of help could not be printed
	output    string // -o of the command that runs; errors are printed in that format too
}

// run executes one command line and returns the exit code.
func run(args []string, in io.Reader, out, errw io.Writer) int {
	a := &app{in: in, out: out, err: errw, now: time.Now, name: program}
	words := args[1:]
	switch called := filepath.Base(args[0]); {
	case strings.HasPrefix(called, "kubectl-svcspy"):
		a.name = plugin
	case strings.HasPrefix(called, "kubectl_complete-svcspy"):
		// What kubectl asks to complete the command line of its plugin.
		a.name = plugin
		words = append([]string{cobra.ShellCompRequestCmd}, words...)
	}
	root := a.root(words...)
	words = withFile(root, words)
	root.SetArgs(words)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	began := a.now()
	err := root.ExecuteContext(context.Background())
	switch {
	case unread(err):
		err = nil // what was to be kept is
	case err != nil:
	case a.unprinted != nil:
		err = a.unprinted
	case a.damaged:
		err = errGap
	}
	a.printError(err)
	a.detail("exit code %d after %s", exitCode(err), a.now().Sub(began).Round(time.Millisecond))
	return exitCode(err)
}

// The program's name, and how it is called as a plugin.
const (
	program = "svcspy"
	plugin  = "kubectl " + program
)

func (a *app) root(words ...string) *cobra.Command {
	root := &cobra.Command{
		Use:   program + " COMMAND",
		Short: "The flight recorder and time machine for Kubernetes outages",
		Long: `svcspy records what a Kubernetes cluster does during an outage into one file,
and tells from the cluster or from the file, at any instant, why a Service gets
no traffic: one cause, the evidence, and what cannot be known.`,
		Version:       programVersion(),
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.unknownCommand(cmd, args[0])
			}
			fmt.Fprintf(a.out, `svcspy records Kubernetes outages into one file and explains them at any instant.
  %[1]s demo      an outage explained, without a cluster
  %[1]s record    record the cluster you are connected to
`, a.name)
			return nil
		},
	}
	if a.name != program {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: a.name}
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	help := a.helpCommand()
	root.SetHelpCommand(help)
	root.SetVersionTemplate(versionLine() + "\n")
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.unprinted = a.help(a.out, cmd) })
	flags := root.PersistentFlags()
	flags.StringVar(&a.zoneName, "tz", "", "time zone for reading and showing times, such as Europe/Berlin (default: the local one)")
	flags.StringVar(&a.color, "color", "auto", "colour the output: auto, always or never")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print no progress and no notes, only data, warnings and errors")
	flags.IntVarP(&a.verbosity, "verbosity", "v", 0, "log to stderr what is done: 1 files and times, 6 each request to the API server, 8 its headers")
	flags.BoolP("help", "h", false, "show this page")
	root.Flags().Bool("version", false, "print the version")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		a.output = formatOf(words)
		if cmd == root && len(words) > 0 && !strings.HasPrefix(words[0], "-") { // its flags are not ours
			return a.unknownCommand(root, words[0])
		}
		return usageError{err, cmd.CommandPath() + " --help shows the flags"}
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		outliveLimits()
		if cmd.Name() == "record" {
			outliveReaders()
		}
		if a.color != "auto" && a.color != "always" && a.color != "never" {
			return usageError{fmt.Errorf("--color %q is none of auto, always, never", a.color), ""}
		}
		a.logRequests()
		_, err := a.zone()
		return err
	}
	root.AddCommand(
		a.recordCommand(), a.keepCommand(), a.importCommand(),
		a.traceCommand(), a.replayCommand(), a.viewCommand(), a.timelineCommand(), a.explainCommand(),
		a.diffCommand(), a.bisectCommand(), a.changesCommand(), a.reportCommand(),
		a.getCommand(), a.eventsCommand(), a.serveCommand(), a.shellCommand(),
		a.infoCommand(), a.verifyCommand(), a.compactCommand(),
		a.cutCommand(), a.shareCommand(), a.scanCommand(), a.markCommand(),
		a.demoCommand(), a.completionCommand(), a.versionCommand(), help, a.exitCodesTopic(), a.timesTopic(), a.redactionTopic(),
	)
	a.completions(root)
	return root
}

// unknownCommand says what may have been meant.
func (a *app) unknownCommand(root *cobra.Command, word string) error {
	hint := a.name + " --help lists the commands"
	if text := a.habit(word); text != "" {
		return usageError{fmt.Errorf("unknown command %q", word), text}
	}
	if near := root.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean " + a.name + " " + strings.Join(near, " or "+a.name+" ") + "?"
	}
	return usageError{fmt.Errorf("unknown command %q", word), hint}
}

// zone returns the zone times are shown in: --tz, else the viewer's.
func (a *app) zone() (*time.Location, error) {
	if a.zoneName == "" {
		return localZone(), nil
	}
	zone, err := time.LoadLocation(a.zoneName)
	if err != nil {
		return nil, usageError{fmt.Errorf("unknown time zone %q", a.zoneName), "use a name such as UTC or Europe/Berlin"}
	}
	return zone, nil
}

// localZone is the viewer's zone under its real name where that can be found:
// Go calls it "Local", which says nothing in an error message.
func localZone() *time.Location {
	name := os.Getenv("TZ")
	if name == "" {
		if target, err := os.Readlink("/etc/localtime"); err == nil {
			_, name, _ = strings.Cut(target, "zoneinfo/")
		}
	}
	if zone, err := time.LoadLocation(name); err == nil && name != "" {
		return zone
	}
	return time.Local
}

// text returns how text goes to out.
func (a *app) text() report.Options {
	zone, err := a.zone()
	if err != nil {
		zone = time.UTC // PersistentPreRunE has refused it already
	}
	return report.Options{Zone: zone, Color: a.colors(), ASCII: !utf8Locale()}
}

// colors reports whether stdout gets colour. NO_COLOR: https://no-color.org.
func (a *app) colors() bool {
	switch {
	case a.color == "always":
		return true
	case a.color == "never", os.Getenv("NO_COLOR") != "", os.Getenv("TERM") == "dumb":
		return false
	}
	return isTerminal(a.out)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// utf8Locale reports whether the locale wants UTF-8; where nothing is set it
// is assumed, as pipes and CI have no locale.
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// note prints a remark for the person, never data.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// warn says that the answer, or the evidence, is less than was asked for. That
// is no note: whoever wants quiet wants to know it too.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.err, "svcspy: warning: "+format+"\n", args...)
}

// detail logs what is done, from -v 1 on.
func (a *app) detail(format string, args ...any) {
	if a.verbosity > 0 {
		fmt.Fprintf(a.err, "svcspy: "+format+"\n", args...)
	}
}

// logRequests has client-go log what it asks, as kubectl does at the same level.
func (a *app) logRequests() {
	var flags flag.FlagSet
	klog.InitFlags(&flags)
	if err := flags.Set("v", strconv.Itoa(a.verbosity)); err != nil {
		a.detail("%v", err)
	}
}

// formatOf returns the data format that a command line asks for, "" for text:
// for errors in the command line itself.
func formatOf(words []string) string {
	for i, w := range words {
		value := ""
		switch {
		case (w == "-o" || w == "--output") && i+1 < len(words):
			value = words[i+1]
		case strings.HasPrefix(w, "--output="):
			value = strings.TrimPrefix(w, "--output=")
		case strings.HasPrefix(w, "-o"):
			value = strings.TrimPrefix(strings.TrimPrefix(w, "-o"), "=")
		}
		if value == "json" || value == "yaml" || value == "jsonl" {
			return value
		}
	}
	return ""
}

// addOutput gives a command -o with the formats it has.
func (a *app) addOutput(cmd *cobra.Command, formats ...string) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "text", "output format: text, "+strings.Join(formats, ", "))
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("output", oneOf(append([]string{"text"}, formats...)...))
	check := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, f := range append(formats, "text") {
			if a.output == f {
				return check(cmd, args)
			}
		}
		bad := a.output
		a.output = "text"
		return usageError{fmt.Errorf("-o %q is none of text, %s", bad, strings.Join(formats, ", ")), ""}
	}
}

// usageError is a command line that cannot be carried out as written.
type usageError struct {
	error
	hint string
}

func (e usageError) Unwrap() error { return e.error }
