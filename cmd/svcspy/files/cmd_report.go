package files

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/postmortem"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

type reportOptions struct {
	cli.Range
	format, template string
	file             string // to write; "" is stdout
	short, browse    bool
	naming           string // how the document names the recording; "" is as the file
}

// ReportCommand returns the command report.
func ReportCommand(a *cli.App) *cobra.Command {
	o := &reportOptions{Range: cli.Range{Query: &cli.Query{App: a}}}
	cmd := &cobra.Command{
		Use:   "report FILE [TYPE/NAME]",
		Short: "The postmortem of an outage: HTML, Markdown or JSON",
		Long: `Report writes the postmortem of an outage: key times, a timeline, the cause, a
picture, the report at each moment, and the commands that reproduce every claim.
Sections that only people can write are left empty. Without a subject it lists
the affected Services, worst first, and describes the worst.

-o html is one file that opens offline, in light and dark, and prints; it loads
nothing from anywhere, and reads without JavaScript. With JavaScript a slider
shows the report at each moment. -o md is to be pasted where Markdown is
rendered, --short is half a page of it, -o slack one paragraph for a chat.
-o json is the same document for programs. All go to stdout, or with -f to a
file; on a terminal the HTML goes to a new file, and --open opens it.

Each statement says how firmly it is known: observed, inferred, or not
observable. A number such as #8812 is a position in the recording:
` + "`svcspy replay FILE --at '#8812'`" + ` shows the cluster there. When the outage
was detected or mitigated only people know: the first mark in the recording
that says so (` + "`svcspy mark`" + `) is used.

--template arranges the document as a published postmortem template does:
` + strings.Join(postmortem.Templates, ", ") + `.

EXIT STATUS
  0 written, 1 error, 2 wrong words or time, 4 written, but the recording has a
  gap in that time, 130 interrupted.`,
		Example: `  # the file to attach to the postmortem
  svcspy report incident.db svc/web -n shop -o html > web.html

  # one paragraph for the incident channel
  svcspy report incident.db -o slack

  # the timeline to paste into it, with local times
  svcspy report incident.db svc/web --since 14:00Z --until 14:30Z -o md --tz Europe/Berlin

  # what was hurt at all, in the order of a PagerDuty postmortem
  svcspy report incident.db -o md --template pagerduty`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 3 {
				return cli.Usage(errors.New("report takes a recording and at most one subject"), a.Name+" report --help shows examples")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(postmortem.Formats, o.format) {
				return cli.Usage(fmt.Errorf("-o %q is not one of %s", o.format, strings.Join(postmortem.Formats, ", ")), "use -o html for a file to open, -o md for text to paste")
			}
			a.Output = o.format
			if o.short {
				if o.format != "md" && cmd.Flags().Changed("output") {
					return cli.Usage(fmt.Errorf("--short is Markdown, and -o %s is not", o.format), "")
				}
				o.format = "md"
			}
			if o.browse && o.format != "html" {
				return cli.Usage(errors.New("--open opens a page, and -o "+o.format+" is none"), "leave out -o")
			}
			if !slices.Contains(postmortem.Templates, o.template) {
				return cli.Usage(fmt.Errorf("--template %q is not one of %s", o.template, strings.Join(postmortem.Templates, ", ")), "")
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	o.AddFlags(cmd)
	cmd.Flags().StringVarP(&o.format, "output", "o", "html", "output format: html, md, slack or json")
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("output", cli.OneOf("html", "md", "slack", "json"))
	_ = cmd.RegisterFlagCompletionFunc("template", cli.OneOf(postmortem.Templates...))
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "write this file (default: stdout; HTML on a terminal: a new file)")
	cmd.Flags().BoolVar(&o.short, "short", false, "only what must be known first, as Markdown")
	cmd.Flags().BoolVar(&o.browse, "open", false, "open the document in the browser")
	cmd.Flags().StringVar(&o.template, "template", "plain", "order and headings: "+strings.Join(postmortem.Templates, ", "))
	return cmd
}

func (o *reportOptions) run(ctx context.Context, file string, words []string) error {
	r, err := o.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	from, to, err := o.Resolve(r)
	if err != nil {
		return err
	}
	zone, err := o.Zone()
	if err != nil {
		return err
	}
	asked := postmortem.Options{File: cmp.Or(o.naming, documentName(file)), Zone: zone, Template: o.template, Subject: store.Ref{Namespace: o.Namespace}}
	if o.Since != "" {
		asked.Since = from
	}
	if o.Until != "" {
		asked.Until = to
	}
	if len(words) > 0 {
		if asked.Subject, err = o.Subject(r, words, r.Info().Last); err != nil {
			return err
		}
	}
	bar := o.Counter("Services")
	asked.Progress = bar.Show
	p, err := postmortem.Build(ctx, r, asked)
	bar.End()
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	if err := o.write(p); err != nil {
		return err
	}
	if !p.Completeness.Complete {
		return cli.ErrGap
	}
	return nil
}

// documentName names a recording in a document. A document of an object does not
// lead to it: the address may be signed, or nobody else's.
func documentName(file string) string {
	if bucket.IsAddress(file) {
		return bucket.ObjectName(file)
	}
	return cli.LocalPath(file)
}

// write prints the document at once, so that nothing is left half written. A page
// does not scroll past on a terminal: it goes to a file.
func (o *reportOptions) write(p *postmortem.Postmortem) error {
	var b bytes.Buffer
	var err error
	if o.short {
		err = postmortem.Short(&b, p)
	} else {
		err = postmortem.Write(&b, o.format, p)
	}
	if err != nil {
		return err
	}
	path := o.file
	if path == "" && o.format == "html" && (o.browse || cli.IsTerminal(o.Out)) {
		if path, err = unusedName(p); err != nil {
			return err
		}
	}
	if path == "" {
		_, err := o.Out.Write(b.Bytes())
		return err
	}
	if err := writeWhole(path, b.Bytes()); err != nil {
		return err
	}
	if !o.browse {
		o.Note("open it in a browser, or use --open")
	} else if err := openBrowser(path); err != nil {
		o.Note("no browser could be opened (%v): open the file", err)
	}
	_, err = fmt.Fprintln(o.Out, report.Clean(path))
	return err
}

// unusedName names a new file in the current folder after the subject.
func unusedName(p *postmortem.Postmortem) (string, error) {
	name := "svcspy-report"
	if p.Subject.Name != "" {
		name += "-" + cli.PlainName(p.Subject.Name, map[string]bool{})
	}
	for n := 1; n < 1000; n++ {
		path := name + ".html"
		if n > 1 {
			path = fmt.Sprintf("%s-%d.html", name, n)
		}
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return "", fmt.Errorf("there are a thousand files named %s-N.html here: name another with -f", name)
}
