package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay/postmortem"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// ShareOptions say what of a recording is shared, and by which policy.
type ShareOptions struct {
	CutOptions
	Policy string
	force  bool
	logs   bool   // keep the lines of container logs
	page   string // the report to write beside it; "" for none
}

// ShareCommand returns the command share.
func ShareCommand(a *cli.App) *cobra.Command {
	o := &ShareOptions{CutOptions: CutOptions{Range: cli.Range{Query: &cli.Query{App: a}}}}
	cmd := &cobra.Command{
		Use:   "share FILE OUT [TYPE/NAME ...]",
		Short: "A recording that is safe to share: cut, redacted again, scanned",
		Long: `Share writes the part of a recording that is safe to share outside your
organization: a window, or what concerns some subjects (as svcspy cut). It
redacts a second time and scans the result. If scan finds a secret, share removes
the file unless --force is given. Its name ends in .unscanned until the scan has
ended. The new recording gives the same verdicts and headlines.

--policy standard replaces all values of env and of --name=value arguments,
queries of URLs, annotations of more than 256 bytes, ids of cloud accounts, and
all that recording with redaction replaces. --policy strict also replaces the
names of Secrets and keys of ConfigMaps, IP addresses (by others of the same
family; what lies in a CIDR still does), the names of nodes, hosts and private
registries (node-a, h1.example), arguments, annotations, custom resources, and
every word of a message that is neither Kubernetes' own nor a name that stays.
Names of other objects, namespaces, labels, images and times stay.

A token such as ‹r:7f3a9c2b41d05e68:12› stands for a value; equal values have
equal tokens. The key is random and stored nowhere.

EXIT STATUS
  0 written, 1 error, 2 wrong words or time, 3 scan found something and share
  removed the file (with --force it is left), 130 interrupted.`,
		Example: `  svcspy share incident.db shared.db

  # as little as tells the story of one Service
  svcspy share incident.db strict.db svc/web -n shop --policy strict --since 13:58 --until 14:08

  # with the page to read
  svcspy share incident.db given.db svc/web -n shop --report given.html`,
	}
	o.command(cmd, "share FILE OUT", o.run)
	cmd.Flags().StringVar(&o.Policy, "policy", "standard", "how much is replaced: "+strings.Join(redact.SharePolicies, " or "))
	cmd.Flags().BoolVar(&o.logs, "logs", false, "keep the lines of container logs, redacted (default: they are left out)")
	cmd.Flags().StringVar(&o.page, "report", "", "also write the report of what is shared to this new file: .html, .md or .json")
	_ = cmd.RegisterFlagCompletionFunc("policy", cli.OneOf(redact.SharePolicies...))
	cmd.Flags().BoolVar(&o.force, "force", false, "leave the file even if the scan finds something in it")
	return cmd
}

func (o *ShareOptions) run(ctx context.Context, file, out string, words []string) error {
	r, err := o.Open(ctx, file, words[:min(len(words), 1)])
	if err != nil {
		return err
	}
	defer r.Close()
	format, err := o.pageFormat(out)
	if err != nil {
		return err
	}
	if err := cli.Writable(out); err != nil {
		return err
	}
	// Until it is scanned it has another name: whatever ends the program before
	// that leaves nothing that could be taken for what may be given away.
	drafts := []draft{draftOf(out)}
	gate, info, err := o.Redacted(ctx, r, drafts[0].path, words)
	if err == nil && format != "" {
		drafts = append(drafts, draftOf(o.page))
		err = o.writePage(ctx, drafts[0], drafts[1], format, words)
	}
	clean := false
	if err == nil {
		clean, err = o.check(ctx, drafts)
	}
	if err == nil && !clean && !o.force {
		err = fmt.Errorf("share %s: %w", out, cli.ErrShare)
	}
	for _, d := range drafts {
		err = errors.Join(err, d.end(err == nil))
	}
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	if err := o.describe(out, info); err != nil {
		return err
	}
	if o.Output == "text" {
		if err := o.counts(gate.Counts()); err != nil {
			return err
		}
	}
	if !clean {
		return cli.ErrLeak
	}
	return nil
}

// draft is a file that gets its name when it is known to hold no secret.
type draft struct{ path, name string }

func draftOf(name string) draft {
	return draft{path: fmt.Sprintf("%s.%s.unscanned", name, uuid.NewUUID()[:8]), name: name}
}

// end names the file, or removes it if it is not to be kept.
func (d draft) end(keep bool) error {
	if !keep {
		err := os.Remove(d.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := cli.Writable(d.name); err != nil { // somebody was faster
		return errors.Join(err, os.Remove(d.path))
	}
	return os.Rename(d.path, d.name)
}

// check scans what was made, and says on stderr what it found.
func (o *ShareOptions) check(ctx context.Context, drafts []draft) (clean bool, err error) {
	clean = true
	for _, d := range drafts {
		result, err := scanFile(o.CutOptions.Range.Query.App, ctx, d.path)
		if err != nil {
			return false, err
		}
		result.File = d.name
		if result.Clean {
			continue
		}
		clean = false
		var found bytes.Buffer
		if err := o.printLeaks(&found, result); err != nil {
			return false, err
		}
		o.Warn("%s", strings.TrimRight(found.String(), "\n"))
	}
	return clean, nil
}

// pageFormat returns the format of the report by the name of its file, "" if
// none is wanted.
func (o *ShareOptions) pageFormat(out string) (string, error) {
	if o.page == "" {
		return "", nil
	}
	if filepath.Clean(o.page) == filepath.Clean(out) {
		return "", cli.Usage(errors.New("--report names the file of the recording"), "")
	}
	format := strings.TrimPrefix(filepath.Ext(o.page), ".")
	if !slices.Contains(postmortem.Formats, format) {
		return "", cli.Usage(fmt.Errorf("--report %q ends in none of .%s", o.page, strings.Join(postmortem.Formats, ", .")), "the ending says which format it gets")
	}
	return format, cli.Writable(o.page)
}

// writePage writes the report of what was shared, so that there is nothing in it
// that is not in that.
func (o *ShareOptions) writePage(ctx context.Context, recording, page draft, format string, words []string) error {
	var text bytes.Buffer
	as := *o.App
	as.Out, as.Output = &text, format
	question := &reportOptions{Range: cli.Range{Query: &cli.Query{App: &as, Namespace: o.Namespace}}, format: format, template: "plain", naming: recording.name}
	if err := question.run(ctx, recording.path, words[:min(len(words), 1)]); err != nil && !errors.Is(err, cli.ErrGap) {
		return err
	}
	f, err := os.OpenFile(page.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	return errors.Join(err, f.Close())
}

func (o *ShareOptions) printLeaks(w io.Writer, result ScanResult) error {
	as := *o.App
	as.Output = "text"
	return printScan(&as, w, result)
}

// counts prints how many values were replaced, by class.
func (o *ShareOptions) counts(counts map[string]uint64) error {
	line := fmt.Sprintf("  replaced by policy %s:", o.Policy)
	if len(counts) == 0 {
		line += " nothing"
	}
	for i, class := range slices.Sorted(maps.Keys(counts)) {
		if i > 0 {
			line += ","
		}
		line += fmt.Sprintf(" %d %s", counts[class], class)
	}
	_, err := fmt.Fprintln(o.Out, report.Clean(line))
	return err
}

// Redacted writes the part of the recording through gate B.
func (o *ShareOptions) Redacted(ctx context.Context, r *store.Recording, out string, words []string) (*redact.Share, store.Info, error) {
	gate, err := redact.NewShare(o.Policy)
	if err == nil {
		gate.Logs = o.logs
	}
	if err != nil {
		return nil, store.Info{}, cli.Usage(err, "strict replaces more than standard")
	}
	if err := cli.Writable(out); err != nil {
		return nil, store.Info{}, err
	}
	if gate.Learns() {
		for e, err := range r.Events(1, r.Info().Last) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, store.Info{}, err
			}
			gate.Learn(&e)
		}
	}
	o.edit, o.header, o.editMark = gate, gate.Header, gate.Mark
	info, err := o.Write(ctx, r, out, words)
	return gate, info, err
}
