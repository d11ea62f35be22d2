package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/record"
	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/audit"
	"github.com/svcspy/svcspy/recorder/importer/etcd"
	"github.com/svcspy/svcspy/recorder/importer/kwok"
	"github.com/svcspy/svcspy/recorder/importer/snapshot"
	"github.com/svcspy/svcspy/recorder/importer/velero"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// importFormats are what svcspy import reads, in the order in which they are tried.
var importFormats = []importer.Format{etcd.Format, audit.Format, velero.Format, kwok.Format, snapshot.Format}

type importOptions struct {
	*cli.App
	file            string
	as              string
	explain         bool
	policy          string
	redaction       string
	configMapValues bool
}

// importExplanation is what the sources of an import hold and prove.
type importExplanation struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // ImportExplanation
	importer.Explanation
}

func importCommand(a *cli.App) *cobra.Command {
	o := &importOptions{App: a}
	names := []string{}
	for _, f := range importFormats {
		names = append(names, f.Name)
	}
	cmd := &cobra.Command{
		Use:   "import SOURCE ... [-f FILE]",
		Short: "Make a recording of audit logs, dumps, backups and etcd snapshots",
		Long: `Import makes a recording of an outage that nobody recorded, from audit logs of
the API server, dumps or backups of its objects, or a snapshot of its etcd. Every other
command reads the result. Several sources of one cluster make one recording and
prove more together: an object that neither the audit log nor a later dump
mentions did not exist.

With a recording among the sources, an audit log of the same minutes adds who made
each change, and what was refused. The result is a new recording; its verdicts are
those of the old one. A user is named for certain only if his request wrote that
version, and as likely if he is the only one who may have.

SOURCE is a file, a folder, an archive (tar, zip), or - for standard input; gzip
and zstd are unpacked. Its format is recognized by its content, or given by --as:
  audit     JSON lines of kube-apiserver, and what EKS, GKE, AKS, Loki, Elastic
            and others wrap around them
  snapshot  kubectl get -o json|yaml, kubectl cluster-info dump, must-gather,
            support bundles, crust-gather
  velero    backups: NAME.tar.gz, with velero-backup.json beside it
  kwok      kwokctl snapshot record; it began as long before its file was written
            last as its patches say
  etcd      etcdctl snapshot save: every write since the last compaction, usually
            five to ten minutes; times are exact to the second

A recording claims only what its sources prove. svcspy info shows for each
resource how it is known: by every write, by writes whose content was not logged,
by one list. Reports say Unknown, or what is undecided, where that is not enough.
--explain prints the same before anything is written.

An audit log also tells who: the user, as whom he acted, from where, and with
which program. Secrets are taken out before anything reaches the disk, as by
svcspy record.

EXIT STATUS
  0 written, 1 error, 2 wrong flags or words, 4 written, but some of the sources
  could not be read, 130 interrupted.`,
		Example: `  # what is in there, and what can it answer?
  svcspy import audit.log --explain

  # an audit log, and what kubectl saw afterwards
  svcspy import audit.log dump.json -f imported.db

  # who made the changes in a recording?
  svcspy import recorded.db audit.log -f who.db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args, names); err != nil {
				return err
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return cli.Interrupted(ctx, o.run(ctx, args))
		},
	}
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "the recording to write (default: imported-TIME.db)")
	cmd.Flags().StringVar(&o.as, "as", "", "read every source as this format: "+strings.Join(names, ", "))
	cmd.Flags().BoolVar(&o.explain, "explain", false, "write nothing; print what the sources hold and what they prove")
	cmd.Flags().StringVar(&o.policy, "policy", "", "the audit policy of the API server: what it leaves out is not taken for unchanged")
	cmd.Flags().StringVar(&o.redaction, "redact", "shape", "what is replaced by tokens: shape, patterns or none; see svcspy help redaction")
	cmd.Flags().BoolVar(&o.configMapValues, "configmap-values", false, "keep the values of ConfigMaps (default: keyed hashes, as for Secrets)")
	_ = cmd.RegisterFlagCompletionFunc("redact", cli.OneOf("shape", "patterns", "none"))
	_ = cmd.RegisterFlagCompletionFunc("as", cli.OneOf(names...))
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	a.AddOutput(cmd, "json", "yaml")
	return cmd
}

func (o *importOptions) check(args, names []string) error {
	switch {
	case len(args) == 0:
		return cli.Usage(errors.New("import takes at least one SOURCE"), "name an audit log, a dump or a folder; - is standard input")
	case o.as != "" && !slices.Contains(names, o.as):
		return cli.Usage(fmt.Errorf("--as %q is not one of %s", o.as, strings.Join(names, ", ")), "")
	case o.redaction != "none" && !slices.Contains(redact.Policies, o.redaction):
		return cli.Usage(fmt.Errorf("--redact %q is not one of shape, patterns, none", o.redaction), "")
	case o.explain && o.file != "":
		return cli.Usage(errors.New("--explain writes nothing, so -f has no meaning with it"), "leave out one of them")
	}
	stdin := 0
	for _, source := range args {
		if source == importer.Stdin {
			stdin++
		}
	}
	if stdin > 1 {
		return cli.Usage(errors.New("standard input can be one source only"), "name the other sources as files")
	}
	return cli.Writable(o.file)
}

func (o *importOptions) run(ctx context.Context, sources []string) error {
	policy := record.Policy(o.redaction, o.configMapValues)
	options := &importer.Options{Sources: sources, Formats: importFormats, As: o.as, Stdin: o.In, Policy: policy, Dir: os.TempDir()}
	if o.file != "" {
		options.Dir = filepath.Dir(o.file)
	}
	if o.policy != "" {
		text, err := os.ReadFile(o.policy)
		if err != nil {
			return err
		}
		audited, err := audit.ParsePolicy(text)
		if err != nil {
			return cli.Hinted(fmt.Errorf("import: %s: %w", o.policy, err), "--policy takes the file that kube-apiserver has as --audit-policy-file")
		}
		options.Omits = audited.Omits
	}
	bar := o.importBar(sources)
	options.Progress = bar.show
	base, others, err := recordingAmong(sources)
	if err != nil {
		return err
	}
	if base != nil {
		defer base.Close()
		if err := onlyRequests(options, others); err != nil {
			return err
		}
	}
	evidence, err := importer.Read(ctx, options)
	bar.end()
	if err != nil {
		switch {
		case errors.Is(err, importer.ErrFormat) && base != nil:
			return cli.Hinted(fmt.Errorf("import: %w", err), "a recording takes an audit log only; import the other source by itself")
		case errors.Is(err, importer.ErrFormat):
			return cli.Hinted(fmt.Errorf("import: %w", err), "svcspy import --help lists the formats; --as names one")
		case errors.Is(err, importer.ErrMixed):
			return cli.Hinted(fmt.Errorf("import: %w", err), "its recording takes an audit log: `svcspy import FILE audit.log`; `svcspy join` makes one of several")
		case errors.Is(err, importer.ErrNothing):
			return cli.Hinted(fmt.Errorf("import: %w", err), "`svcspy import --help` says what is read; an audit log needs writes in it, and its policy may log nothing but reads")
		}
		return fmt.Errorf("import: %w", err)
	}
	defer evidence.Close()
	if base != nil {
		return o.attribute(ctx, base, evidence, policy)
	}
	if o.explain {
		return o.explanation(&evidence.Explanation)
	}
	header := evidence.Header()
	header.ID, header.Recorder, header.Redaction = string(uuid.NewUUID()), cli.ProgramVersion(), redactionOf(policy)
	path := cmp.Or(o.file, "imported-"+header.Start.UTC().Format("20060102-150405")+".db")
	w, err := store.Create(path, header)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if policy != nil {
		w.Redacted(policy.Counts())
	}
	end, err := evidence.Write(ctx, w)
	if err != nil {
		return errors.Join(fmt.Errorf("import into %s: %w", path, err), w.Abort(), os.Remove(path))
	}
	info, err := w.Seal(end)
	if err != nil {
		return errors.Join(fmt.Errorf("seal %s: %w", path, err), os.Remove(path))
	}
	return o.done(path, &info, &evidence.Explanation)
}

func redactionOf(policy *redact.Policy) store.Redaction {
	if policy == nil {
		return store.Redaction{Policy: "none"}
	}
	return policy.Redaction()
}

// done says what was written, and what is missing.
func (o *importOptions) done(path string, info *store.Info, x *importer.Explanation) error {
	for _, hole := range x.Holes {
		o.Warn("%s", report.Clean(hole.String()))
	}
	if o.Output != "text" {
		if err := o.Info(path); err != nil {
			return err
		}
	} else if err := o.imported(path, info, x); err != nil {
		return err
	}
	if len(x.Holes) > 0 {
		return cli.ErrGap
	}
	return nil
}

func (o *importOptions) imported(path string, info *store.Info, x *importer.Explanation) error {
	size := int64(0)
	if st, err := os.Stat(path); err == nil {
		size = st.Size()
	}
	if x.Attribution != nil {
		_, err := fmt.Fprintf(o.Out, "%s\n  %s\n  %d events, %s\n  sha256 %s\n", report.Clean(path), attribution(x.Attribution), info.Events, report.Bytes(size), info.SHA256)
		return err
	}
	_, err := fmt.Fprintf(o.Out, "%s\n  from %s to %s (%s), from %s\n  %d events, %s\n  sha256 %s\n",
		report.Clean(path), when.Format(info.Start), when.Format(info.End), report.Duration(info.End.Sub(info.Start)), strings.Join(x.Formats, " and "),
		info.Events, report.Bytes(size), info.SHA256)
	return err
}

func (o *importOptions) explanation(x *importer.Explanation) error {
	if o.Output != "text" {
		return report.Document(o.Out, o.Output, importExplanation{report.APIVersion, "ImportExplanation", *x})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "from %s to %s (%s), %s\n", when.Format(x.From), when.Format(x.To), report.Duration(x.To.Sub(x.From)), strings.Join(x.Formats, " and "))
	if x.Attribution != nil {
		fmt.Fprintf(&b, "%s\n", attribution(x.Attribution))
	}
	if r := x.Revisions; r != nil {
		fmt.Fprintf(&b, "every write to etcd from its last compaction at %s to %s\n", when.Format(r.From), when.Format(r.To))
	}
	if x.Log != nil {
		fmt.Fprintf(&b, "audit log from %s to %s, %d refused requests\n", when.Format(x.Log.From), when.Format(x.Log.To), x.Log.Refused)
	}
	if x.Attribution == nil {
		explainResources(&b, x.Resources)
	}
	if len(x.Holes) > 0 {
		b.WriteString("\nHOLES\n")
		for _, hole := range x.Holes {
			fmt.Fprintf(&b, "  %s\n", report.Clean(hole.String()))
		}
	}
	_, err := o.Out.Write([]byte(b.String()))
	return err
}

// explainResources prints how each resource is known.
func explainResources(b *strings.Builder, resources []importer.Resource) {
	fmt.Fprintf(b, "\n%-42s %8s %8s %8s  %s\n", "RESOURCE", "WRITTEN", "UNSEEN", "LISTED", "HOW IT IS KNOWN")
	for _, r := range resources {
		how := report.CoverageWords(r.Status)
		if len(r.Proven) > 0 {
			how = "every write; absence is proven " + provenIn(r.Proven)
		}
		if r.Omitted != "" {
			how += "; " + r.Omitted
		}
		fmt.Fprintf(b, "%-42s %8d %8d %8d  %s\n", report.Clean(r.Resource), r.Written, r.Unseen, r.Listed, report.Clean(how))
	}
}

// provenIn names where absence is proven.
func provenIn(namespaces []string) string {
	if slices.Contains(namespaces, "") {
		return "in the cluster"
	}
	const most = 3
	text := "in " + strings.Join(namespaces[:min(len(namespaces), most)], ", ")
	if more := len(namespaces) - most; more > 0 {
		text += fmt.Sprintf(" and %d more namespaces", more)
	}
	return text
}

// importBar shows how far the sources were read.
type importBar struct {
	*cli.App
	total    int64
	terminal bool
	last     time.Time
	open     bool
}

func (o *importOptions) importBar(sources []string) *importBar {
	b := &importBar{App: o.App, terminal: cli.IsTerminal(o.Err) && !o.Quiet, last: o.Now()}
	for _, source := range sources {
		if source == importer.Stdin {
			b.total = 0
			break
		}
		b.total += importer.Size(source)
	}
	return b
}

// barEvery is how often the bar is drawn.
const barEvery = 200 * time.Millisecond

func (b *importBar) show(read int64) {
	if !b.terminal || b.Now().Sub(b.last) < barEvery {
		return
	}
	b.last, b.open = b.Now(), true
	if b.total == 0 {
		fmt.Fprintf(b.Err, "\r\x1b[Kreading: %s", report.Bytes(read))
		return
	}
	const width = 30
	done := int(min(read, b.total) * width / b.total)
	fmt.Fprintf(b.Err, "\r\x1b[Kreading: %s%s %d %% of %s", strings.Repeat("█", done), strings.Repeat("░", width-done), min(read, b.total)*100/b.total, report.Bytes(b.total))
}

func (b *importBar) end() {
	if b.open {
		fmt.Fprint(b.Err, "\r\x1b[K")
	}
}
