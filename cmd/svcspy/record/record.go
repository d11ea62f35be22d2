// Package record has the commands that write a recording of a live cluster:
// record, and keep, which has a flight recorder save its window.
//
// options are the flags, scope is what is recorded, a [Plan] says it without
// recording, and a session is a recording that runs: a flight.Session with its
// terminal and its signals.
package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay/expect"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

type options struct {
	*cli.App
	cli.Cluster
	scope
	file            string
	length          time.Duration
	until           []string
	noRedact        bool
	redaction       string
	configMapValues bool
	signKey         string
	maxSize         string
	ring            time.Duration
	keepOn          []string
	keepFor         time.Duration
	keepMax         int
	logLines        int
	printRBAC       bool
	printPolicy     bool
	dryRun          bool

	chosen                          labels.Selector
	untilConditions, keepConditions []flight.Condition
}

func Command(a *cli.App) *cobra.Command {
	o := &options{App: a}
	cmd := &cobra.Command{
		Use:   "record [TYPE/NAME ...] [-f FILE]",
		Short: "Record the cluster into one file until interrupted",
		Long: `Record lists and watches the cluster and writes every event of the API server,
in order, into one file, which every other command reads. It changes nothing in
the cluster. Secret values never reach the file: keyed hashes show that a value
changed, not what it was.

By default it records the whole cluster, or the context's namespace if the rest
is forbidden. -n a,b records these namespaces. TYPE/NAME (svc/web, deploy/api,
svc/shop/web) records what decides about these subjects: their namespaces, Nodes,
the names and addresses of all Services, cluster DNS, kube-proxy, and the objects
that they refer to. -l records Pods, workloads, ConfigMaps, Secrets and claims
only if their labels match or matched before; the API server sends all of them,
so an object that loses its labels does not look deleted. Anything not recorded
is reported as unknown, never as absent.

A flight recorder (--ring) runs for days in a file that stays small. When a
condition of --keep-on becomes true, on SIGUSR1, or when ` + "`svcspy keep FILE`" + ` asks
for it, the recorder saves the window of the ring and the next --keep-for as a sealed
recording beside it, and continues. A save in progress absorbs later triggers and
then lasts --keep-for from the last of them; conditions can extend it to at most
twice --keep-for. Saved recordings are never deleted: after --keep-max of them a
flapping condition saves no more, and warns each time and at the end.

--logs-of-failed 50 also reads the last 50 lines of a container's log when the
container ends with an error, is restarted or is no longer ready, redacts them as any
text and records them: 'svcspy get containerlogs', and under LAST WORDS in reports. It
needs the right pods/log, which --print-rbac then prints and --dry-run asks for.

A condition is 'TYPE/[NAMESPACE/]NAME STATE', with = or != before the state and
| between several: 'svc/web NotServing', 'svc/shop/web != Serving|Converging'.
States: ` + expect.StateWords(", ") + `.
It is looked at after each commit, about once a second.

The first INT, TERM or HUP seals the file and exits 0; a second one leaves it
valid but unsealed and exits 130. After a kill -9 or a power cut everything
older than a second is in the file. The file is new each time; nothing is ever
overwritten. Without -f it is named after the context and the time.

EXIT STATUS
  0 sealed, 1 error, 2 wrong flags, words or conditions, 4 sealed, but for some
  time conditions could not be followed, 130 interrupted twice.`,
		Example: `  # record everything until ctrl-C
  svcspy record -f incident.db

  # what decides about one Service, until it serves again
  svcspy record svc/web -n shop --until 'svc/web Serving'

  # a flight recorder that keeps each outage
  svcspy record --ring 30m --keep-on 'svc/shop/web NotServing' --keep-for 10m

  # which rights does it need, and what can be told with mine?
  svcspy record svc/web -n shop --print-rbac | kubectl apply -f -
  svcspy record svc/web -n shop --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args); err != nil {
				return err
			}
			return o.record(cmd.Context())
		},
	}
	o.Cluster.AddFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.file, "file", "f", "", "the recording to write (default: svcspy-CONTEXT-TIME.db)")
	flags.StringVar(&o.profile, "profile", "standard", "which kinds to record: minimal, standard or full")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "record all namespaces even if you can read only some")
	flags.StringVarP(&o.selector, "selector", "l", "", "record what runs and is configured only where the labels match, such as app=web")
	flags.DurationVar(&o.length, "for", 0, "stop and seal after this long, such as 30m (default: when interrupted)")
	flags.StringArrayVar(&o.until, "until", nil, "stop and seal when this `CONDITION` is true, such as 'svc/web Serving'; may be repeated")
	flags.StringVar(&o.redaction, "redact", "shape", "what is replaced by tokens: shape (what is not known to be harmless), patterns (what looks like a secret) or none; see svcspy help redaction")
	flags.BoolVar(&o.noRedact, "no-redact", false, "the same as --redact none: write Secret values and everything else as they are; the recording says so")
	flags.BoolVar(&o.configMapValues, "configmap-values", false, "keep the values of ConfigMaps (default: keyed hashes, as for Secrets)")
	flags.StringVar(&o.signKey, "sign", "", "sign the sealed recording with this ed25519 private key (PEM); verify --key checks it")
	flags.StringVar(&o.maxSize, "max-size", "", "stop and seal before the file grows larger than this, such as 2GiB")
	flags.DurationVar(&o.ring, "ring", 0, "keep only the last stretch of this length, such as 30m; the file stays bounded")
	flags.StringArrayVar(&o.keepOn, "keep-on", nil, "save the ring when this `CONDITION` becomes true, such as 'svc/shop/web NotServing'; may be repeated")
	flags.DurationVar(&o.keepFor, "keep-for", 5*time.Minute, "how much of what follows is saved with the ring")
	flags.IntVar(&o.keepMax, "keep-max", 10, "how many saved rings may lie beside the file before --keep-on saves no more; 0 is any number")
	flags.IntVar(&o.logLines, "logs-of-failed", 0, "read the last `LINES` of the log of each container that fails, once for each failure; 0 reads none")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print what would be recorded, what redaction would replace, and what could not be told, and exit")
	flags.BoolVar(&o.printPolicy, "print-audit-policy", false, "print an audit policy whose log svcspy import can explain, as YAML, and exit; no cluster is needed")
	flags.BoolVar(&o.printRBAC, "print-rbac", false, "print the rights that recording needs as YAML and exit; no cluster is needed")
	_ = cmd.RegisterFlagCompletionFunc("redact", cli.OneOf(append(slices.Clone(redact.Policies), "none")...))
	a.AddOutput(cmd, "json", "yaml")
	return cmd
}

// check refuses what cannot be meant before anything is asked or written.
func (o *options) check(words []string) error {
	var err error
	if o.chosen, err = o.scope.check(o.Overrides.Context.Namespace, words); err != nil {
		return err
	}
	if o.scope.namespaces != nil {
		o.Overrides.Context.Namespace = o.scope.namespaces[0]
	}
	if o.untilConditions, err = flight.ParseConditions(o.until); err != nil {
		return err
	}
	if o.keepConditions, err = flight.ParseConditions(o.keepOn); err != nil {
		return err
	}
	switch {
	case o.redaction != "none" && !slices.Contains(redact.Policies, o.redaction):
		return cli.Usage(fmt.Errorf("--redact %q is not one of %s, none", o.redaction, strings.Join(redact.Policies, ", ")), "shape replaces the most")
	case o.length < 0:
		return cli.Usage(fmt.Errorf("--for %s is not a length of time", o.length), "write it as 30m")
	case o.ring < 0:
		return cli.Usage(fmt.Errorf("--ring %s is not a length of time", o.ring), "write it as 30m")
	case o.keepFor < 0:
		return cli.Usage(fmt.Errorf("--keep-for %s is not a length of time", o.keepFor), "write it as 5m")
	case o.keepMax < 0:
		return cli.Usage(fmt.Errorf("--keep-max %d is not a number of recordings", o.keepMax), "0 is any number")
	case o.logLines < 0 || o.logLines > mostLogLines:
		return cli.Usage(fmt.Errorf("--logs-of-failed %d is not between 0 and %d lines", o.logLines, mostLogLines), "50 say why most containers end")
	case o.ring == 0 && o.keepOn != nil:
		return cli.Usage(errors.New("--keep-on saves a ring, and there is none: everything is kept"), "add --ring 30m, or use --until")
	}
	return nil
}

// mostLogLines is how many lines of a log are worth a place in a recording.
const mostLogLines = 1000

// policy returns the redaction of the flags; nil if there is none.
func (o *options) policy() *redact.Policy {
	if o.noRedact {
		return nil
	}
	return Policy(o.redaction, o.configMapValues)
}

// Policy returns the redaction that --redact names; nil for none.
func Policy(name string, configMapValues bool) *redact.Policy {
	switch name {
	case "none":
		return nil
	case "patterns":
		return redact.Patterns(configMapValues)
	}
	return redact.Standard(configMapValues)
}

func (o *options) record(ctx context.Context) error {
	if o.printRBAC {
		return o.rbac()
	}
	if o.printPolicy {
		return o.auditPolicy()
	}
	writing, err := o.writing()
	if err != nil {
		return err
	}
	if err := cli.Writable(o.file); err != nil {
		return err
	}
	config, contextName, err := o.Config()
	if err != nil {
		return err
	}
	ctx, signals := cli.Twice(ctx)
	defer signals.Stop()
	requests, ignore := cli.KeepRequests()
	defer ignore()

	options := recorder.Options{Config: config, Profile: o.profile, Selector: o.chosen, LogLines: o.logLines, Now: o.Now}
	if policy := o.policy(); policy != nil {
		options.Redactor = policy
	}
	limited, cancel, err := o.Limited(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	header, err := recorder.Prepare(limited, options)
	if err != nil {
		return err
	}
	if err := o.narrow(limited, &options, header.Resources); err != nil {
		return err
	}
	header.Scope = options.Scope()
	header.Cluster.Context = contextName
	header.Recorder = cli.ProgramVersion()
	verdicts, err := o.verdictWatch(&options, header.Resources)
	if err != nil {
		return err
	}
	if o.dryRun {
		return o.plan(limited, &options, header)
	}

	path := o.file
	if path == "" {
		path = flight.Name("", contextName, header.Start)
	}
	w, err := store.Create(path, header, writing...)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	p := newProgress(o.App, header.Start)
	session := &session{
		options: o, signals: signals, requests: requests, progress: p,
		Session: flight.Session{Path: path, Writer: w, Watch: verdicts, Now: o.Now, Say: p.say, Warn: p.warn},
	}
	if o.ring > 0 {
		ring := flight.NewRing(w, path, contextName)
		ring.After, ring.Most, ring.Now, ring.Say, ring.Warn = o.keepFor, o.keepMax, o.Now, p.say, p.warn
		session.Ring = ring
	}
	o.Note("recording %s into %s; ctrl-C seals it", report.ScopeWords(header.Scope), report.Clean(path))
	if o.length > 0 { // of the recording: how long it took to begin does not count
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	return session.run(ctx, options)
}

// writing returns how the file is written.
func (o *options) writing() ([]store.Option, error) {
	var options []store.Option
	if o.signKey != "" {
		key, err := cli.PrivateKey(o.signKey)
		if err != nil {
			return nil, err
		}
		options = append(options, store.SignWith(key))
	}
	if o.maxSize != "" {
		size, err := resource.ParseQuantity(strings.TrimSuffix(o.maxSize, "B"))
		if err != nil || size.Value() <= 0 {
			return nil, cli.Usage(fmt.Errorf("--max-size %q is not a size", o.maxSize), "write it as 500MiB or 2GiB")
		}
		options = append(options, store.MaxSize(size.Value()))
	}
	if o.ring > 0 {
		options = append(options, store.Window(o.ring))
	}
	return options, nil
}
