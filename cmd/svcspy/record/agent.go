package record

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/process"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/agent"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store/bucket"
)

// agentOptions are the flags of agent.
type agentOptions struct {
	*options
	config   string
	to       string
	dir      string
	name     string
	every    time.Duration
	spool    string
	listen   string
	secrets  string // a folder
	grafana  string
	services int
	image    string // to run, of the manifests
	manifest bool   // print them
}

// AgentCommand returns the command agent.
func AgentCommand(a *cli.App) *cobra.Command {
	o := &agentOptions{options: &options{App: a}}
	cmd := &cobra.Command{
		Use:   "agent --to BUCKET --dir FOLDER",
		Short: "Record a cluster all the time, into a bucket",
		Long: `Agent records as ` + "`svcspy record`" + ` does, without an end. It writes a ring
into FOLDER, cuts a sealed recording from it every 15 minutes (--every) and stores
that segment in BUCKET: s3://NAME/PREFIX, file:///FOLDER, or the path of a folder.
When the verdict on a Service becomes NotServing or PartiallyServing, it cuts a
segment at once, at most one a minute. ` + "`svcspy ls`" + ` lists what a bucket has,
` + "`svcspy fetch`" + ` makes one recording of it.

A segment waits in FOLDER until the bucket has it. While the bucket does not answer,
segments add up there, up to --spool; then the oldest is dropped, and the ledger
says so. After a kill -9 the next agent in FOLDER stores what the ring holds. Two
agents may record one cluster, each in a FOLDER of its own.

S3 credentials, region and endpoint are found as the AWS tools find them: in the
environment, in ~/.aws, from the service account of the Pod. s3://NAME?endpoint=URL
names another S3-compatible store.

--listen serves /metrics for Prometheus, /livez and /readyz, and takes alerts of
Alertmanager, Grafana and PagerDuty at POST /alerts, if there is a secret that they
must know: alert-token for Authorization: Bearer, pagerduty-secret for PagerDuty's
signature. An alert has a segment cut at once, is a mark in it, and stands in
` + "`svcspy ls`" + `.

When a verdict breaks or an alert fires, a summary of three lines is sent to the
webhook notify-url, and an annotation to the Grafana at --grafana with grafana-token.
Secrets are files of these names in the folder --secrets, or SVCSPY_ALERT_TOKEN,
SVCSPY_PAGERDUTY_SECRET, SVCSPY_NOTIFY_URL and SVCSPY_GRAFANA_TOKEN.

--config reads a YAML file with the names of flags as keys; flags on the command line
win.

--print-manifests prints what runs the agent in a cluster: a namespace, rights to list
and watch, a StatefulSet that needs no privilege, a disk for the ring. The flags become
its arguments.

The first INT, TERM or HUP stores the last segment and exits 0. What the bucket does
not take within 20 seconds waits for the next run; a second signal ends at once.

EXIT STATUS
  0 stopped, 1 error, 2 wrong flags or configuration, 130 interrupted twice.`,
		Example: `  svcspy agent --to s3://outages/svcspy --dir /var/lib/svcspy
  svcspy agent --config /etc/svcspy/agent.yaml

  # in the cluster itself
  svcspy agent --print-manifests --to s3://outages/svcspy --image example/svcspy:1 >agent.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usage(fmt.Errorf("agent takes no words: %q", args[0]), a.Name+" agent --to BUCKET --dir FOLDER")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.read(cmd.Flags()); err != nil {
				return err
			}
			if o.manifest {
				return o.printManifests()
			}
			return o.run(cmd.Context())
		},
	}
	o.Cluster.AddFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.config, "config", "", "a YAML file with the names of flags as keys")
	flags.StringVar(&o.to, "to", "", "the `BUCKET` that segments are stored in: s3://NAME/PREFIX, file:///FOLDER or a folder")
	flags.StringVar(&o.dir, "dir", "", "the `FOLDER` of the ring and of segments that wait; it must be on a disk that survives a restart")
	flags.StringVar(&o.name, "cluster-name", "", "the name of the cluster in the bucket (default: the context, else the UID of kube-system)")
	flags.DurationVar(&o.every, "every", 15*time.Minute, "the length of a segment, from 10s to 1h")
	flags.StringVar(&o.spool, "spool", "2Gi", "how much may wait for the bucket before the oldest segment is dropped")
	flags.StringVar(&o.listen, "listen", "", "serve /metrics, /livez, /readyz and /alerts at this address, such as :9090")
	flags.StringVar(&o.secrets, "secrets", "", "the `FOLDER` with secrets as files: alert-token, pagerduty-secret, notify-url, grafana-token")
	flags.StringVar(&o.grafana, "grafana", "", "the address of the Grafana that gets annotations, such as https://grafana.example")
	flags.IntVar(&o.services, "services", 200, "how many Services are watched, by name; 0 watches none")
	flags.StringVar(&o.profile, "profile", "standard", "which kinds to record: minimal, standard or full")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "record all namespaces even if you can read only some")
	flags.StringVar(&o.redaction, "redact", "shape", "what is replaced by tokens: shape or patterns; see svcspy help redaction")
	flags.IntVar(&o.logLines, "logs-of-failed", 0, "read the last `LINES` of the log of each container that fails, once for each failure; 0 reads none")
	flags.BoolVar(&o.manifest, "print-manifests", false, "print the objects that run this agent in a cluster as YAML and exit; no cluster is needed")
	flags.StringVar(&o.image, "image", "", "the `IMAGE` of svcspy in --print-manifests")
	flags.BoolVar(&o.configMapValues, "configmap-values", false, "keep the values of ConfigMaps (default: keyed hashes, as for Secrets)")
	_ = cmd.RegisterFlagCompletionFunc("redact", cli.OneOf(redact.Policies...))
	for _, name := range []string{"to", "cluster-name", "every", "spool", "listen", "services", "logs-of-failed", "image", "grafana"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

// read takes the values of --config for the flags that were not given, and checks
// all.
func (o *agentOptions) read(flags *pflag.FlagSet) error {
	if o.config != "" {
		if err := configure(flags, o.config); err != nil {
			return err
		}
	}
	var err error
	if o.chosen, err = o.scope.check(o.Overrides.Context.Namespace, nil); err != nil {
		return err
	}
	if o.scope.namespaces != nil {
		o.Overrides.Context.Namespace = o.scope.namespaces[0]
	}
	switch {
	case o.manifest && o.to == "":
		return cli.Usage(errors.New("the manifests need a bucket"), o.Name+" agent --print-manifests --to s3://NAME/PREFIX --image IMAGE")
	case !o.manifest && (o.to == "" || o.dir == ""):
		return cli.Usage(errors.New("agent needs a bucket and a folder"), o.Name+" agent --to BUCKET --dir FOLDER")
	case !slices.Contains(redact.Policies, o.redaction):
		return cli.Usage(fmt.Errorf("--redact %q is not one of %s", o.redaction, strings.Join(redact.Policies, ", ")), "what is stored in a bucket is always redacted")
	case o.every < 10*time.Second || o.every > time.Hour:
		return cli.Usage(fmt.Errorf("--every %s is not between 10s and 1h", o.every), "write it as 15m")
	case o.logLines < 0 || o.logLines > mostLogLines:
		return cli.Usage(fmt.Errorf("--logs-of-failed %d is not between 0 and %d lines", o.logLines, mostLogLines), "50 say why most containers end")
	case o.services < 0:
		return cli.Usage(fmt.Errorf("--services %d is not a number of Services", o.services), "0 watches none")
	case o.name != "" && segment.ClusterName(o.name) != o.name:
		return cli.Usage(fmt.Errorf("--cluster-name %q has other characters than a-z, 0-9, dot, dash and underscore", o.name), "for example --cluster-name "+segment.ClusterName("c-"+o.name))
	}
	return nil
}

// configure sets flags from a file.
func configure(flags *pflag.FlagSet, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(data, &values); err != nil {
		return cli.Usage(fmt.Errorf("read %s: %w", path, err), "it has the names of flags as keys, for example `to: s3://outages/svcspy`")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value, flag := values[name], flags.Lookup(name)
		if flag == nil || name == "config" || name == "help" {
			return cli.Usage(fmt.Errorf("%s: %q is not a flag of agent", path, name), "svcspy agent --help lists the flags; their names are the keys")
		}
		switch value.(type) {
		case string, bool, float64:
		case nil:
			return cli.Usage(fmt.Errorf("%s: %q has no value", path, name), "leave the line out to have the default")
		default:
			return cli.Usage(fmt.Errorf("%s: %q has a list or a map as its value", path, name), "a flag has one value")
		}
		if flag.Changed {
			continue
		}
		text := fmt.Sprint(value)
		if number, is := value.(float64); is {
			text = strconv.FormatFloat(number, 'f', -1, 64)
		}
		if err := flags.Set(name, text); err != nil {
			return cli.Usage(fmt.Errorf("%s: %w", path, err), "svcspy agent --help lists the flags")
		}
	}
	return nil
}

// spoolSize returns --spool in bytes.
func (o *agentOptions) spoolSize() (int64, error) {
	size, err := resource.ParseQuantity(strings.TrimSuffix(o.spool, "B"))
	if err != nil || size.Value() <= 0 {
		return 0, cli.Usage(fmt.Errorf("--spool %q is not a size", o.spool), "write it as 500MiB or 2GiB")
	}
	return size.Value(), nil
}

func (o *agentOptions) run(parent context.Context) error {
	process.BoundGC()
	spool, err := o.spoolSize()
	if err != nil {
		return err
	}
	if !bucket.IsS3(o.to) && !strings.Contains(o.to, "://") {
		if err := os.MkdirAll(o.to, 0o700); err != nil {
			return err
		}
	}
	to, err := bucket.Open(o.to)
	if err != nil {
		return bucketError(err)
	}
	config, contextName, err := o.Config()
	if err != nil {
		return err
	}
	ctx, stop := o.Interruptible(parent)
	defer stop()
	policy := Policy(o.redaction, o.configMapValues)
	options := recorder.Options{Config: config, Profile: o.profile, Now: o.Now, LogLines: o.logLines, Redactor: policy}
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
	header.Scope, header.Cluster.Context, header.Recorder = options.Scope(), contextName, cli.ProgramVersion()
	name := o.name
	for _, other := range []string{contextName, "cluster-" + header.Cluster.UID} {
		if name == "" {
			name = segment.ClusterName(other)
		}
	}
	clean := func(print func(string, ...any)) func(string, ...any) {
		return func(format string, args ...any) { print("%s", report.Clean(fmt.Sprintf(format, args...))) }
	}
	metrics := agent.NewMetrics(o.Now)
	alerts, err := o.receiver(policy.Text)
	if err != nil {
		return err
	}
	notifier, err := o.notifier(name, metrics, clean(o.Warn))
	if err != nil {
		return err
	}
	served, closed, err := o.serve(metrics, alerts)
	if err != nil {
		return err
	}
	defer closed()
	a, err := agent.New(ctx, agent.Options{
		Recorder: options, Header: header, Cluster: name, Dir: o.dir, Bucket: to, Every: o.every, Soon: min(time.Minute, o.every),
		Spool: spool, Grace: 20 * time.Second, Now: o.Now, Metric: metrics, Services: o.services, Alerts: alerts, Notifier: notifier,
		Say: clean(o.Note), Warn: clean(o.Warn),
	})
	if err != nil {
		return err
	}
	o.Note("recording %s as cluster %s into %s%s; ctrl-C stores the last segment", report.ScopeWords(header.Scope), name, report.Clean(o.to), served)
	return a.Run(ctx)
}

// serve serves the metrics and takes alerts until closed is called. served says where.
func (o *agentOptions) serve(m *agent.Metrics, alerts *agent.Receiver) (served string, closed func(), err error) {
	if o.listen == "" {
		return "", func() {}, nil
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return "", nil, fmt.Errorf("--listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", m.Handler())
	mux.Handle("/alerts", alerts)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // it ends when it is closed
	}()
	return fmt.Sprintf(", metrics at http://%s/metrics", listener.Addr()), func() {
		_ = server.Close()
		<-ended
	}, nil
}

// bucketError makes an error of a bucket's address one of usage.
func bucketError(err error) error {
	if errors.Is(err, bucket.ErrAddress) {
		return cli.Usage(err, "")
	}
	return err
}
