// Package cli has what the commands share.
//
// An [App] is one call of the program: streams, clock and global flags. A [Query]
// is a question about a timeline (which subject, when, in which format), a [Range]
// one about the time between two instants, and [Cluster] the flags that name a
// cluster. [ExitCode] maps every error to an exit code.
package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones by name also where the system has none

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// App is what the commands share: the streams, the clock, and the flags that
// every command has. Commands print data to out and everything else to err.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	Now      func() time.Time
	Name     string // how the program was called: "svcspy", or "kubectl svcspy" as a plugin

	ZoneName string
	Color    string
	Quiet    bool

	Context context.Context // of the command: what is read from elsewhere ends with it
	remote  []*store.Recording
	named   []string // their addresses

	Verbosity int
	Damaged   bool   // the recording that was asked is
	Unprinted error  // why a page of help could not be printed
	Output    string // -o of the command that runs; errors are printed in that format too
}

// The program's name, and how it is called as a plugin.
const (
	Program = "svcspy"
	Plugin  = "kubectl " + Program
)

// UnknownCommand says what may have been meant.
func (a *App) UnknownCommand(root *cobra.Command, word string) error {
	hint := a.Name + " --help lists the commands"
	if text := a.habit(word); text != "" {
		return Usage(fmt.Errorf("unknown command %q", word), text)
	}
	if near := root.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean " + a.Name + " " + strings.Join(near, " or "+a.Name+" ") + "?"
	}
	return Usage(fmt.Errorf("unknown command %q", word), hint)
}

// Zone returns the zone times are shown in: --tz, else the viewer's.
func (a *App) Zone() (*time.Location, error) {
	if a.ZoneName == "" {
		return localZone(), nil
	}
	zone, err := time.LoadLocation(a.ZoneName)
	if err != nil {
		return nil, Usage(fmt.Errorf("unknown time zone %q", a.ZoneName), "use a name such as UTC or Europe/Berlin")
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

// Text returns how text goes to out.
func (a *App) Text() report.Options {
	zone, err := a.Zone()
	if err != nil {
		zone = time.UTC // PersistentPreRunE has refused it already
	}
	return report.Options{Zone: zone, Color: a.colors(), ASCII: !utf8Locale()}
}

// colors reports whether stdout gets colour. NO_COLOR: https://no-color.org.
func (a *App) colors() bool {
	switch {
	case a.Color == "always":
		return true
	case a.Color == "never", os.Getenv("NO_COLOR") != "", os.Getenv("TERM") == "dumb":
		return false
	}
	return IsTerminal(a.Out)
}

func IsTerminal(w any) bool {
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

// Note prints a remark for the person, never data.
func (a *App) Note(format string, args ...any) {
	if !a.Quiet {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}

// Warn says that the answer, or the evidence, is less than was asked for. That
// is no note: whoever wants quiet wants to know it too.
func (a *App) Warn(format string, args ...any) {
	fmt.Fprintf(a.Err, "svcspy: warning: "+format+"\n", args...)
}

// Detail logs what is done, from -v 1 on.
func (a *App) Detail(format string, args ...any) {
	if a.Verbosity > 0 {
		fmt.Fprintf(a.Err, "svcspy: "+format+"\n", args...)
	}
}

// LogRequests has client-go log what it asks, as kubectl does at the same level.
func (a *App) LogRequests() {
	var flags flag.FlagSet
	klog.InitFlags(&flags)
	if err := flags.Set("v", strconv.Itoa(a.Verbosity)); err != nil {
		a.Detail("%v", err)
	}
}

// FormatOf returns the data format that a command line asks for, "" for text:
// for errors in the command line itself.
func FormatOf(words []string) string {
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

// AddOutput gives a command -o with the formats it has.
func (a *App) AddOutput(cmd *cobra.Command, formats ...string) {
	cmd.Flags().StringVarP(&a.Output, "output", "o", "text", "output format: text, "+strings.Join(formats, ", "))
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("output", OneOf(append([]string{"text"}, formats...)...))
	check := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, f := range append(formats, "text") {
			if a.Output == f {
				return check(cmd, args)
			}
		}
		bad := a.Output
		a.Output = "text"
		return Usage(fmt.Errorf("-o %q is not one of text, %s", bad, strings.Join(formats, ", ")), "")
	}
}

// usageError is a command line that cannot be carried out as written.
type usageError struct {
	error
	hint string
}

// Usage returns an error about the command line; the hint says what to write.
func Usage(err error, hint string) error { return usageError{err, hint} }

func (e usageError) Unwrap() error { return e.error }
