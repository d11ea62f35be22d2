// Package files has the commands that take a recording and write or check a file:
// info, verify, compact, mark, cut, join, share, scan, and the pages of report and view.
// Each command is one function that returns it.
package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/process"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// CutOptions say what of a recording goes into a new one.
type CutOptions struct {
	cli.Range
	edit     store.Editor                // nil: as it is
	header   func(*store.Header)         // may change what the new recording says of itself
	editMark func(store.Mark) store.Mark // nil: as they are
}

// CutCommand returns the command cut.
func CutCommand(a *cli.App) *cobra.Command {
	o := &CutOptions{Range: cli.Range{Query: &cli.Query{App: a}}}
	cmd := &cobra.Command{
		Use:   "cut FILE OUT [TYPE/NAME ...]",
		Short: "A part of a recording that stands alone",
		Long: `Cut writes a window of a recording to a new file: the state of the cluster when
the window begins, every event in it, and as much of the time before as the
reports in the window look back to. With subjects, the new file holds only what
the reports on them need. At every instant of the window both recordings give the
same reports.

Every event keeps its number, so that #8812 in a report stands for the same
event in both; svcspy events FILE TYPE/NAME shows what the new file has of the
time before the window. The new file is sealed and has a digest of its own;
svcspy info says what it was cut from. Cut redacts nothing; svcspy share does. A
file is never overwritten.

EXIT STATUS
  0 written, 1 error, 2 wrong words or time, 130 interrupted.`,
		Example: `  # ten minutes around the outage
  svcspy cut incident.db around.db --since 13:58 --until 14:08

  # only what concerns one Service
  svcspy cut incident.db web.db svc/web -n shop`,
	}
	o.command(cmd, "cut FILE OUT --since T --until T", o.run)
	return cmd
}

// command gives a command that writes a new recording its words and flags.
func (o *CutOptions) command(cmd *cobra.Command, takes string, run func(ctx context.Context, file, out string, words []string) error) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return cli.Usage(errors.New(cmd.Name()+" takes a recording and a new name"), o.Name+" "+takes)
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		process.BoundGC() // blocks are copied, not judged: garbage is large and soon gone
		ctx, stop := o.Interruptible(cmd.Context())
		defer stop()
		return run(ctx, args[0], args[1], args[2:])
	}
	o.AddFlags(cmd)
	o.AddOutput(cmd, "json", "yaml", "jsonl")
}

func (o *CutOptions) run(ctx context.Context, file, out string, words []string) error {
	r, err := o.Open(ctx, file, words[:min(len(words), 1)])
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := o.Write(ctx, r, out, words)
	if err != nil {
		return err
	}
	return o.describe(out, info)
}

// describe prints what the new file holds.
func (o *CutOptions) describe(out string, info store.Info) error {
	if o.Output != "text" {
		doc, err := o.InfoOf(out)
		if err != nil {
			return err
		}
		return report.Document(o.Out, o.Output, doc)
	}
	st, err := os.Stat(out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, "%s\n  %d events from %s to %s\n  %s\n  sha256 %s\n", report.Clean(out), info.Events,
		when.Format(info.Start), when.Format(info.End), report.Bytes(st.Size()), info.SHA256)
	return err
}

// Write writes the new recording.
func (o *CutOptions) Write(ctx context.Context, r *store.Recording, out string, words []string) (store.Info, error) {
	if err := cli.Writable(out); err != nil {
		return store.Info{}, err
	}
	from, to, err := o.Resolve(r)
	if err != nil {
		return store.Info{}, err
	}
	chosen, err := o.chosen(r, words, from, to)
	if err != nil {
		return store.Info{}, err
	}
	info := r.Info()
	x := store.Excerpt{Header: info.Header, End: to, Only: len(chosen) > 0, Edit: o.edit, EditMark: o.editMark}
	x.Header.ID, x.Header.Start, x.Header.Recorder = string(uuid.NewUUID()), from, cli.ProgramVersion()
	x.Header.Source = &store.Source{ID: info.ID, SHA256: info.SHA256, Start: info.Began(), End: info.End, Subjects: subjectNames(chosen, info.Resources)}
	if o.header != nil {
		o.header(&x.Header)
	}
	if x.Oldest, err = o.closure(ctx, r, chosen, from, to); err != nil {
		return store.Info{}, cli.Interrupted(ctx, err)
	}
	return r.Excerpt(out, x)
}

// chosen returns the subjects the words name, each in words of its own. What
// was cut down to some subjects stays so.
func (o *CutOptions) chosen(r *store.Recording, words []string, from, to time.Time) ([]store.Ref, error) {
	at, err := r.SeqAt(to)
	if err != nil {
		return nil, err
	}
	info := r.Info()
	if len(words) == 0 && info.Source != nil && len(info.Source.Subjects) > 0 {
		all, err := story.SubjectsIn(r, from, to)
		if err != nil {
			return nil, err
		}
		return slices.DeleteFunc(all, func(ref store.Ref) bool { return !cli.Holds(&info, ref) }), nil
	}
	var refs []store.Ref
	for _, w := range words {
		ref, err := o.Subject(r, []string{w}, at)
		if err != nil {
			return nil, err
		}
		if !cli.Holds(&info, ref) {
			return nil, &replay.SubjectError{
				Problem: fmt.Sprintf("%s is not all there: the recording was cut down to %s", cli.Slash(ref), strings.Join(info.Source.Subjects, ", ")),
				Hint:    "cut it from the original",
			}
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// closure finds what of the time before the window is needed.
func (o *CutOptions) closure(ctx context.Context, r *store.Recording, chosen []store.Ref, from, to time.Time) (map[store.Ref]store.Seq, error) {
	first, err := r.SeqAt(from)
	if err != nil {
		return nil, err
	}
	if first <= 1 && len(chosen) == 0 {
		return nil, nil // all of it comes along
	}
	subjects, causes := chosen, true
	if len(chosen) == 0 {
		if subjects, err = story.SubjectsIn(r, from, to); err != nil {
			return nil, err
		}
	}
	bar := o.Counter("subjects")
	defer bar.End()
	c, err := story.ClosureOf(ctx, r, subjects, from, to, causes, bar.Show)
	if err != nil {
		return nil, err
	}
	return c.Oldest, nil
}

// subjectNames names subjects for people and for the header.
func subjectNames(refs []store.Ref, resources []metav1.APIResource) []string {
	var names []string
	for _, ref := range refs {
		names = append(names, cli.KindAndName(ref, resources))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
