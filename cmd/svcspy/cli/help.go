package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// Groups are the commands as the first page shows them, in the order in which
// an outage needs them. A command that is in none comes last.
var Groups = []struct {
	title    string
	Commands []string
}{
	{"Getting started", []string{"demo", "completion", "version", "help"}},
	{"Record", []string{"record", "keep", "import"}},
	{"Always on", []string{"agent", "ls", "fetch", "export"}},
	{"Explain", []string{"trace", "replay", "view", "timeline", "explain", "diff", "bisect", "changes", "report", "assert"}},
	{"Inspect, and kubectl on the past", []string{"get", "events", "serve", "shell", "mcp"}},
	{"Files", []string{"info", "verify", "mark", "cut", "join", "share", "scan", "compact"}},
}

// connection marks a flag that says how to reach the cluster.
const connection = "svcspy.dev/connection"

// connectionWords are the flags that client-go binds, in the words of ours.
var connectionWords = map[string]string{
	"as":                       "act as this user",
	"as-group":                 "act as a member of this group; may be given again",
	"as-uid":                   "act as the user with this UID",
	"as-user-extra":            "act with this extra attribute of the user, as key=value; may be given again",
	"certificate-authority":    "trust the certificate authority in this file",
	"client-certificate":       "show the client certificate in this file",
	"client-key":               "the key of the client certificate",
	"cluster":                  "use this cluster of the kubeconfig",
	"context":                  "use this context of the kubeconfig",
	"disable-compression":      "ask the server not to compress its answers",
	"insecure-skip-tls-verify": "do not check the server's certificate: anybody may answer",
	"kubeconfig":               "the kubeconfig file (default: $KUBECONFIG, then ~/.kube/config)",
	"password":                 "password for basic authentication",
	"proxy-url":                "reach the server through this proxy",
	"request-timeout":          "how long to wait for one answer, such as 10s; watches are not limited by it",
	"server":                   "address and port of the API server",
	"tls-server-name":          "the name that the server's certificate must have",
	"token":                    "bearer token for authentication",
	"user":                     "use this user of the kubeconfig",
	"username":                 "user name for basic authentication",
}

// reword gives the flags that client-go binds our words, and a group of their
// own on the page.
func reword(flags *pflag.FlagSet) {
	for name, words := range connectionWords {
		if f := flags.Lookup(name); f != nil {
			f.Usage = words
			if f.DefValue == "0" {
				f.DefValue = "" // it is none
			}
			f.Annotations = map[string][]string{connection: {"true"}}
		}
	}
}

func (a *App) HelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Show the page of a command or a topic",
		Long: `Help shows the page of a command, as --help does, or of a topic: times,
exit-codes, redaction.

EXIT STATUS
  0 shown, 2 there is no such page.`,
		Example: "  svcspy help replay\n  svcspy help times",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var all []cobra.Completion
			for _, c := range cmd.Root().Commands() {
				if len(args) == 0 && (c.IsAvailableCommand() || !c.Runnable()) {
					all = append(all, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return all, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 || len(args) > 0 && found == root {
				return a.UnknownCommand(root, strings.Join(args, " "))
			}
			return a.Help(a.Out, found)
		},
	}
}

var codes = regexp.MustCompile(`\b(\d+) `)

// Where lines of text and of flags are broken, but on a narrower terminal.
const (
	textWidth = 80
	PageWidth = 100
)

func widthOf(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return max(min(width, PageWidth), 40)
		}
	}
	return PageWidth
}

// Help prints the page of a command.
func (a *App) Help(w io.Writer, cmd *cobra.Command) error {
	width := widthOf(w)
	out := bufio.NewWriter(w)
	text, exit := CutExit(cmd.Long)
	fmt.Fprintf(out, "%s\n", flow(strings.TrimSpace(a.called(text)), min(width, textWidth)))
	if cmd.Runnable() {
		fmt.Fprintf(out, "\nUsage:\n  %s\n", a.called(cmd.UseLine()))
	}
	if !cmd.HasParent() {
		a.listCommands(out, cmd)
	}
	if cmd.Example != "" {
		fmt.Fprintf(out, "\nExamples:\n%s\n", a.called(cmd.Example))
	}
	if cmd.Runnable() {
		for _, section := range sections(cmd) {
			if section.flags.HasAvailableFlags() {
				fmt.Fprintf(out, "\n%s:\n%s", section.title, section.flags.FlagUsagesWrapped(width))
			}
		}
	}
	if exit != "" {
		// A code stays with what it means.
		words := codes.ReplaceAllString(strings.Join(strings.Fields(exit), " "), "$1\x00")
		lines := strings.NewReplacer("\x00", " ", "\n", "\n  ").Replace(flow(words, min(width, textWidth)-2))
		fmt.Fprintf(out, "\nExit Status:\n  %s\n", lines)
	}
	if !cmd.HasParent() {
		fmt.Fprintf(out, "\n%s COMMAND --help shows the page of a command.\n%[1]s help times and %[1]s help exit-codes tell what is the same in all of them.\n", a.Name)
	}
	return out.Flush()
}

// flow breaks the lines of paragraphs anew; lists, which are indented, stay.
func flow(text string, width int) string {
	var lines []string
	open := false // the last line is of a paragraph
	for _, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == ' ' {
			lines, open = append(lines, line), false
			continue
		}
		for _, word := range strings.Fields(line) {
			if n := len(lines) - 1; open && utf8.RuneCountInString(lines[n])+1+utf8.RuneCountInString(word) <= width {
				lines[n] += " " + word
			} else {
				lines, open = append(lines, word), true
			}
		}
	}
	return strings.Join(lines, "\n")
}

// CutExit cuts the exit status off the text of a command, to end its page.
func CutExit(long string) (text, exit string) {
	text, exit, _ = strings.Cut(long, "\nEXIT STATUS\n")
	return text, strings.TrimRight(exit, "\n")
}

type section struct {
	title string
	flags *pflag.FlagSet
}

// sections sorts the flags of a command.
func sections(cmd *cobra.Command) []section {
	all := []section{
		{"Flags", pflag.NewFlagSet("", pflag.ContinueOnError)},
		{"Cluster Flags", pflag.NewFlagSet("", pflag.ContinueOnError)},
		{"Global Flags", pflag.NewFlagSet("", pflag.ContinueOnError)},
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch {
		case cmd.Root().PersistentFlags().Lookup(f.Name) != nil:
		case f.Annotations[connection] != nil:
			all[1].flags.AddFlag(f)
		default:
			all[0].flags.AddFlag(f)
		}
	})
	all[2].flags.AddFlagSet(cmd.Root().PersistentFlags())
	return all
}

func (a *App) listCommands(out io.Writer, root *cobra.Command) {
	left := slices.DeleteFunc(slices.Clone(root.Commands()), func(c *cobra.Command) bool { return !c.IsAvailableCommand() })
	for _, g := range Groups {
		fmt.Fprintf(out, "\n%s:\n", g.title)
		for _, name := range g.Commands {
			i := slices.IndexFunc(left, func(c *cobra.Command) bool { return c.Name() == name })
			if i >= 0 {
				fmt.Fprintf(out, "  %-12s %s\n", name, left[i].Short)
				left = slices.Delete(left, i, i+1)
			}
		}
	}
	for _, c := range left {
		fmt.Fprintf(out, "  %-12s %s\n", c.Name(), c.Short)
	}
}

// called names the program in a text as it was called.
func (a *App) called(text string) string {
	if a.Name == Program {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, before := range []string{"  ", "`", "| ", "$(", "<("} {
			line = strings.ReplaceAll(line, before+Program+" ", before+a.Name+" ")
		}
		lines[i] = line
	}
	return strings.Join(lines, "")
}
