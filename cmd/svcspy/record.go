package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

type recordOptions struct {
	*app
	cluster
	file            string
	profile         string
	all             bool
	length          time.Duration
	noRedact        bool
	configMapValues bool
	signKey         string
	maxSize         string
	ring            time.Duration
	printRBAC       bool
	dryRun          bool
}

func (a *app) recordCommand() *cobra.Command {
	o := &recordOptions{app: a}
	cmd := &cobra.Command{
		Use:   "record [-f FILE]",
		Short: "Record the cluster into one file until interrupted",
		Long: `Record lists and watches the cluster and writes what the API server says, in
order, into one file: what replay, trace -f and every other command read. It
changes nothing in the cluster. Secret values never reach the file: keyed
hashes show that a value changed, not what it was.

The first INT, TERM or HUP seals the file and exits 0; a second one leaves it
valid but unsealed and exits 130. After a kill -9 or a power cut everything
older than a second is in the file.

The file is new each time; nothing is ever overwritten. Without -f it is named
after the context and the time. Without -A or -n the whole cluster is recorded,
or, where that is forbidden, the context's namespace.

EXIT STATUS
  0 sealed, 1 error, 2 wrong flags, 130 interrupted twice.`,
		Example: `  # record everything until ctrl-C
  svcspy record -f incident.db

  # ten minutes of one namespace
  svcspy record -n shop --for 10m

  # which rights does it need?
  svcspy record --print-rbac | kubectl apply -f -`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error { return o.record(cmd.Context()) },
	}
	o.cluster.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.file, "file", "f", "", "the recording to write (default: svcspy-CONTEXT-TIME.db)")
	flags.StringVar(&o.profile, "profile", "standard", "which kinds to record: minimal, standard or full")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "record all namespaces, also where only some of it is allowed")
	flags.DurationVar(&o.length, "for", 0, "stop and seal after this long, such as 30m (default: when interrupted)")
	flags.BoolVar(&o.noRedact, "no-redact", false, "write Secret values and everything else as they are; the recording says so")
	flags.BoolVar(&o.configMapValues, "configmap-values", false, "keep the values of ConfigMaps (default: keyed hashes, as for Secrets)")
	flags.StringVar(&o.signKey, "sign", "", "sign the sealed recording with this ed25519 private key (PEM); verify --key checks it")
	flags.StringVar(&o.maxSize, "max-size", "", "stop and seal before the file grows larger than this, such as 2GiB")
	flags.DurationVar(&o.ring, "ring", 0, "keep only the last stretch of this length, such as 30m; the file stays bounded")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print what would be recorded and exit")
	flags.BoolVar(&o.printRBAC, "print-rbac", false, "print the rights that recording needs as YAML and exit; no cluster is needed")
	return cmd
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, got %q", cmd.Name(), strings.Join(args, " ")), ""}
	}
	return nil
}

func (o *recordOptions) record(ctx context.Context) error {
	switch o.profile {
	case "minimal", "standard", "full":
	default:
		return usageError{fmt.Errorf("--profile %q is none of minimal, standard, full", o.profile), ""}
	}
	if o.all && o.overrides.Context.Namespace != "" {
		return usageError{errors.New("-A and -n exclude each other"), ""}
	}
	var namespaces []string
	if o.overrides.Context.Namespace != "" {
		namespaces = strings.Split(o.overrides.Context.Namespace, ",")
		o.overrides.Context.Namespace = namespaces[0]
	}
	if o.printRBAC {
		return o.rbac(namespaces)
	}
	writing, err := o.writing()
	if err != nil {
		return err
	}
	if err := writable(o.file); err != nil {
		return err
	}
	config, contextName, err := o.config()
	if err != nil {
		return err
	}
	if o.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	ctx, signals := interruptible(ctx)
	defer signals.stop()

	options := recorder.Options{Config: config, Profile: o.profile, Namespaces: namespaces, Now: o.now}
	if !o.noRedact {
		options.Redactor = redact.Standard(o.configMapValues)
	}
	limited, cancel, err := o.limited(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if namespaces == nil && !o.all {
		if options.Namespaces, err = o.allowed(limited, config); err != nil {
			return err
		}
	}
	header, err := recorder.Prepare(limited, options)
	if err != nil {
		return err
	}
	header.Cluster.Context = contextName
	header.Recorder = programVersion()
	if o.dryRun {
		return o.plan(header)
	}

	path := o.file
	if path == "" {
		path = fmt.Sprintf("svcspy-%s-%s.db", fileName(contextName), header.Start.UTC().Format("20060102T150405Z"))
	}
	w, err := store.Create(path, header, writing...)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	o.note("recording %s into %s; ctrl-C seals it", scopeWords(header.Scope), path)
	progress := newProgress(o.app, header.Start)
	options.Sink, options.Progress, options.Ready = w, progress.show, progress.listening
	err = recorder.Run(ctx, options)
	progress.end()
	switch {
	case signals.forced():
		return errors.Join(errInterrupted, w.Abort())
	case errors.Is(err, recorder.ErrForbidden):
		// Nothing was recorded, so there is nothing to keep.
		return errors.Join(fmt.Errorf("record: %w", err), w.Abort(), os.Remove(path))
	case err != nil:
		// What was heard is worth keeping, whatever ended the recording.
		_, sealErr := w.Seal(o.now())
		return errors.Join(fmt.Errorf("record: %w", err), sealErr)
	}
	info, err := sealUnlessForced(w, o.now(), signals)
	if err != nil {
		return err
	}
	return o.summary(path, info)
}

// writing returns how the file is written.
func (o *recordOptions) writing() ([]store.Option, error) {
	var options []store.Option
	if o.signKey != "" {
		key, err := privateKey(o.signKey)
		if err != nil {
			return nil, err
		}
		options = append(options, store.SignWith(key))
	}
	if o.maxSize != "" {
		size, err := resource.ParseQuantity(strings.TrimSuffix(o.maxSize, "B"))
		if err != nil || size.Value() <= 0 {
			return nil, usageError{fmt.Errorf("--max-size %q is not a size", o.maxSize), "write it as 500MiB or 2GiB"}
		}
		options = append(options, store.MaxSize(size.Value()))
	}
	switch {
	case o.ring < 0:
		return nil, usageError{fmt.Errorf("--ring %s is not a length of time", o.ring), "write it as 30m"}
	case o.ring > 0:
		options = append(options, store.Window(o.ring))
	}
	return options, nil
}

// writable refuses a path that cannot become a recording before the cluster is
// bothered. "" is a new name in the current folder.
func writable(path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	_, err := os.Stat(filepath.Dir(path))
	return err
}

// sealUnlessForced seals; a second interrupt ends the program at once, with a
// file that is valid but not sealed.
func sealUnlessForced(w *store.Writer, now time.Time, signals *signals) (store.Info, error) {
	type sealed struct {
		info store.Info
		err  error
	}
	done := make(chan sealed, 1)
	go func() {
		info, err := w.Seal(now)
		done <- sealed{info, err}
	}()
	select {
	case s := <-done:
		if s.err != nil {
			return s.info, fmt.Errorf("seal: %w", s.err)
		}
		return s.info, nil
	case <-signals.second:
		return store.Info{}, errInterrupted
	}
}

func (o *recordOptions) summary(path string, info store.Info) error {
	size := int64(0)
	if st, err := os.Stat(path); err == nil {
		size = st.Size()
	}
	_, err := fmt.Fprintf(o.out, "%s\n  from %s to %s (%s)\n  %d events, %s\n  sha256 %s\n",
		path, replay.FormatInstant(info.Start), replay.FormatInstant(info.End), report.Duration(info.End.Sub(info.Start)),
		info.Events, report.Bytes(size), info.SHA256)
	return err
}

// rbac prints the rights that recording needs.
func (o *recordOptions) rbac(namespaces []string) error {
	objects, err := recorder.Rules(o.profile, namespaces)
	if err != nil {
		return err
	}
	for i, object := range objects {
		y, err := yaml.Marshal(object)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(o.out, "---")
		}
		if _, err := o.out.Write(y); err != nil {
			return err
		}
	}
	return nil
}

// plan prints what would be recorded.
func (o *recordOptions) plan(h store.Header) error {
	kinds, err := recorder.Kinds(h.Scope.Profile, h.Resources, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "would record %s: %d resources, redaction %s\n", scopeWords(h.Scope), len(kinds), h.Redaction.Policy)
	for _, k := range kinds {
		if _, err := fmt.Fprintf(o.out, "  %s\n", resourceName(k.Name, k.Group)); err != nil {
			return err
		}
	}
	return nil
}

func resourceName(name, group string) string {
	if group == "" {
		return name
	}
	return name + "." + group
}

func scopeWords(s store.Scope) string {
	if len(s.Namespaces) == 0 {
		return "all namespaces (" + s.Profile + ")"
	}
	return "namespace " + strings.Join(s.Namespaces, ", ") + " (" + s.Profile + ")"
}

// fileName makes a context name usable in a file name.
func fileName(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, s)
	if clean = strings.Trim(clean, "-."); clean == "" {
		return "cluster"
	}
	return clean[:min(len(clean), 60)]
}

// signals counts interrupts: the first ends the context, the second closes the
// second channel.
type signals struct {
	second chan struct{}
	stop   func()
}

func (s *signals) forced() bool {
	select {
	case <-s.second:
		return true
	default:
		return false
	}
}

// interruptible returns a context that ends at the first INT, TERM or HUP: an
// ssh session that drops must not lose an incident.
func interruptible(parent context.Context) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	s := &signals{second: make(chan struct{})}
	s.stop = func() {
		signal.Stop(ch)
		close(done)
		cancel()
	}
	go func() {
		for n := 0; ; n++ {
			select {
			case <-ch:
				if n == 0 {
					cancel()
				} else {
					close(s.second)
					return
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, s
}
