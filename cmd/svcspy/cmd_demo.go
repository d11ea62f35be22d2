package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/fixtures"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/tui"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

func demoCommand(a *cli.App) *cobra.Command {
	l := &cli.Query{App: a}
	var file string
	var once bool
	names := make([]string, len(fixtures.Demos))
	list := ""
	for i, d := range fixtures.Demos {
		names[i] = d.Name
		list += fmt.Sprintf("\n  %-20s %s", d.Name, d.Story)
	}
	cmd := &cobra.Command{
		Use:   "demo [NAME]",
		Short: "Explain a recorded outage, without a cluster",
		Long: `Demo explains an outage from a recording that is part of svcspy. On a terminal
it opens the broken moment on the whole screen, with a line that suggests the
next key. Elsewhere, and with --once, it prints the verdicts over time, and the
report at that moment. It was recorded on a real Kubernetes control plane. With
-f it writes the recording to a file that every other command can read.

The outages:` + list + `

EXIT STATUS
  0 explained or written, 1 error, 2 wrong words.`,
		Example: `  # an outage, explained
  svcspy demo

  # the same as text
  svcspy demo --once

  # another one, as a file for every other command
  svcspy demo node-loss -f demo.db`,
		ValidArgs: names,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usage(errors.New("demo shows one outage"), "choose one of "+strings.Join(names, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			demo := fixtures.Demos[0]
			if len(args) == 1 {
				found := false
				for _, d := range fixtures.Demos {
					if d.Name == args[0] {
						demo, found = d, true
					}
				}
				if !found {
					return cli.Usage(fmt.Errorf("there is no demo %q", args[0]), "choose one of "+strings.Join(names, ", "))
				}
			}
			if file != "" {
				return writeDemo(a, demo, file)
			}
			return runDemo(l, cmd.Context(), demo, !once && l.OnScreen())
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "write the recording to this new file instead of explaining it")
	cmd.Flags().BoolVar(&once, "once", false, "print it and exit (what happens off a terminal)")
	return cmd
}

// writeDemo writes a demo's recording to a new file.
func writeDemo(a *cli.App, d fixtures.Demo, path string) error {
	data, err := d.Recording()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	broken, err := d.Start()
	if err != nil {
		return err
	}
	look := command.New(append(a.Program(), "replay", path, d.Subject, "--at", when.Format(broken.Add(d.Broken).Truncate(time.Second)))...)
	a.Note("wrote %s; look at it with: %s", path, look)
	return nil
}

// runDemo shows a recorded outage: on the screen, or its verdicts over time and the
// broken moment as text.
func runDemo(l *cli.Query, ctx context.Context, d fixtures.Demo, onScreen bool) error {
	dir, err := os.MkdirTemp("", "svcspy-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, d.Name+".db")
	data, err := d.Recording()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	r, err := l.OpenRecording(path)
	if err != nil {
		return err
	}
	defer r.Close()
	start, err := d.Start()
	if err != nil {
		return err
	}
	l.Namespace = d.Namespace
	info := r.Info()
	ref, err := l.Subject(r, []string{d.Subject}, info.Last)
	if err != nil {
		return err
	}
	broken := start.Add(d.Broken).Truncate(time.Second)
	if onScreen {
		return demoTour(l, ctx, d, r, path, ref, broken)
	}
	fmt.Fprintf(l.Out, "%s: %s.\n", d.Name, d.Story)
	fmt.Fprintf(l.Out, "Recorded on a Kubernetes %s control plane: %d events in %s, in one file of %s.\n\n",
		info.Cluster.Version, info.Events, report.Duration(info.End.Sub(info.Start)), report.Bytes(int64(len(data))))
	if err := demoStory(l, ctx, r, ref, start); err != nil {
		return err
	}
	fmt.Fprintf(l.Out, "\nAt %s:\n\n", broken.In(l.Text().Zone).Format(time.RFC3339))
	s, err := replay.NewCursor(r).SeekTime(broken)
	if err != nil {
		return err
	}
	diagnosed, err := verdict.ReportAt(ctx, s, ref, l.Options)
	if err != nil {
		return err
	}
	if err := l.Print(s, ref, diagnosed); err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.Out, `
LOOK FURTHER
  %[1]s demo %[2]s -f demo.db
  %[1]s replay demo.db %[3]s -n %[4]s --at %[5]s
  %[1]s explain demo.db %[3]s -n %[4]s
  %[1]s demo --help     lists the other outages
`, l.Name, d.Name, d.Subject, d.Namespace, when.Format(broken))
	return err
}

// demoTour opens the broken moment on the screen, with a hint at what to press. What
// is marked lasts as long as the recording, which is a copy in a folder of its
// own; the commands that are handed out work after it is gone.
func demoTour(l *cli.Query, ctx context.Context, d fixtures.Demo, r *store.Recording, path string, ref store.Ref, broken time.Time) error {
	options, err := l.ScreenOptions(ctx, r, path)
	if err != nil {
		return err
	}
	if options.At, err = replay.NewCursor(r).SeekTime(broken); err != nil {
		return err
	}
	options.Subject, options.Guided, options.File = ref, true, d.Name+".db"
	options.Command = func(subject store.Ref, at time.Time) string {
		return fmt.Sprintf("%s demo %s -f %[2]s.db; %s", l.Name, d.Name, l.CommandLine(d.Name+".db", subject, at))
	}
	if err := tui.Run(ctx, options); err != nil {
		return err
	}
	l.Note("%s demo %s -f %[2]s.db writes this recording to a file; %[1]s record makes one of your cluster", l.Name, d.Name)
	return nil
}

// demoStory prints each stretch of time in which the verdict stayed the same.
func demoStory(l *cli.Query, ctx context.Context, t replay.Timeline, ref store.Ref, start time.Time) error {
	segments, err := verdict.Of(ctx, t, ref, start, t.Info().End)
	if err != nil {
		return err
	}
	for _, g := range verdict.Dated(verdict.Settle(segments), t.Info().Start) {
		if _, err := fmt.Fprintf(l.Out, "  %s  %-16s %s\n", g.From.In(l.Text().Zone).Format("15:04:05"), g.Report.Verdict.State, report.Sentence(g.Report.Headline.Message, g.From, l.Text())); err != nil {
			return err
		}
	}
	return nil
}
