package kubectl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/apiserver"
)

// ServeOptions say which instants of a recording are served.
type ServeOptions struct {
	*cli.App
	Instants  []string
	namespace string
	play      bool
	speed     float64
}

func (p *ServeOptions) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&p.Instants, "at", nil, "the instant to look at, such as 14:02 or end-30s; given again, each is a context of its own (default: the end)")
	flags.StringVarP(&p.namespace, "namespace", "n", "", "namespace of the contexts (default: the recorded one, if it is one)")
	flags.BoolVar(&p.play, "play", false, "let time move on from the instant, so that watches see what happened")
	flags.Float64Var(&p.speed, "speed", 1, "with --play, recorded seconds per second")
}

func (p *ServeOptions) check(cmd *cobra.Command) error {
	switch {
	case p.speed <= 0 || p.speed > 1e6:
		return cli.Usage(fmt.Errorf("--speed %g is not between 0 and 1000000", p.speed), "")
	case cmd.Flags().Changed("speed") && !p.play:
		return cli.Usage(errors.New("--speed needs --play"), "time stands still unless it plays")
	}
	return nil
}

// ServeCommand returns the command serve.
func ServeCommand(a *cli.App) *cobra.Command {
	p := &ServeOptions{App: a}
	cmd := &cobra.Command{
		Use:   "serve FILE",
		Short: "Let kubectl and other clients look at the past",
		Long: `Serve answers as the Kubernetes API server did at a recorded instant: kubectl,
k9s and every other client can get, list, describe and watch what was recorded.
The server counts ages to that instant; ` + "`kubectl describe` and `kubectl events`" + `
count them themselves, to the clock of this machine. What was not recorded is 503 NotRecorded,
a gap in the recording is a warning, and nothing can be written.

It listens on a loopback port with a random token and prints the kubeconfig to
use, which has one context for each --at and is removed in the end. With --play
time moves on, and ` + "`kubectl get pods -w`" + ` shows the outage happen.

EXIT STATUS
  0 stopped by ctrl-C, 1 error, 2 wrong words or time.`,
		Example: `  # the cluster as it was at 14:02
  svcspy serve incident.db --at 14:02

  # before and after, as two contexts
  svcspy serve incident.db --at 13:55 --at 14:02

  # the outage again, four times as fast
  svcspy serve incident.db --at 14:00 --play --speed 4`,
		Args: oneRecording("serve"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(cmd); err != nil {
				return err
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return p.Serve(ctx, args[0], func(at *Served) error {
				fmt.Fprintf(a.Out, "export KUBECONFIG=%s\n", at.Kubeconfig)
				for _, name := range at.contexts {
					a.Note("context %s", name)
				}
				a.Note(ownClock)
				a.Note("ctrl-C stops it and removes the kubeconfig")
				select {
				case <-ctx.Done():
					return nil
				case err := <-at.failed:
					return err
				}
			})
		},
	}
	p.addFlags(cmd)
	return cmd
}

// ownClock is what a reader of kubectl's ages must know: kubectl prints those of
// tables as the server counts them, and computes those of describe and events.
const ownClock = "kubectl describe and kubectl events count ages up to now, not up to the recorded instant; kubectl get does not"

func oneRecording(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return cli.Usage(fmt.Errorf("%s takes one recording", command), "svcspy "+command+" --help shows examples")
		}
		return nil
	}
}

// Served is a recording while it is being served.
type Served struct {
	dir        string   // private, removed in the end
	Kubeconfig string   // in dir
	contexts   []string // the current one first
	failed     <-chan error
}

// Serve serves a recording while use runs.
func (p *ServeOptions) Serve(ctx context.Context, file string, use func(*Served) error) (err error) {
	r, err := p.OpenRecording(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	options, err := p.options(ctx, r)
	if err != nil {
		return err
	}
	credentials, err := apiserver.NewCredentials(p.Now())
	if err != nil {
		return err
	}
	options.Token = credentials.Token
	handler, err := apiserver.New(r, options)
	if err != nil {
		return err
	}
	defer handler.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen on loopback: %w", err)
	}
	dir, err := os.MkdirTemp("", "svcspy-serve-")
	if err != nil {
		return errors.Join(fmt.Errorf("make a place for the kubeconfig: %w", err), listener.Close())
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	server := &http.Server{
		Handler:           handler,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{credentials.Certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// What a client does wrong is its own to report.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	failed := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve %s: %w", file, err)
		}
	}()
	defer func() {
		handler.Close() // ends the watches, so that Shutdown need not wait for them
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			err = errors.Join(err, server.Close())
		}
		<-ended
	}()

	at := &Served{dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig"), failed: failed}
	config := p.kubeconfig(r.Info().Scope.Namespaces, options.Instants, "https://"+listener.Addr().String(), credentials)
	for _, i := range options.Instants {
		at.contexts = append(at.contexts, contextName(i))
	}
	if err := clientcmd.WriteToFile(*config, at.Kubeconfig); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return use(at)
}

// options resolves the instants.
func (p *ServeOptions) options(ctx context.Context, t replay.Timeline) (apiserver.Options, error) {
	o := apiserver.Options{Now: p.Now}
	if p.play {
		o.Speed = p.speed
	}
	texts := p.Instants
	if len(texts) == 0 {
		texts = []string{""}
	}
	taken := map[string]bool{}
	for _, text := range texts {
		l := cli.Query{App: p.App, Ctx: ctx, Namespace: p.namespace, At: text}
		state, err := l.Seek(t)
		if err != nil {
			return o, err
		}
		o.Instants = append(o.Instants, apiserver.Instant{Name: cli.PlainName(text, taken), Time: state.Instant(), Seq: state.Seq()})
	}
	return o, nil
}

func contextName(i apiserver.Instant) string { return "svcspy@" + i.Name }

// kubeconfig has one context for each instant; the first is the current one.
func (p *ServeOptions) kubeconfig(namespaces []string, instants []apiserver.Instant, url string, c apiserver.Credentials) *api.Config {
	namespace := p.namespace
	if namespace == "" && len(namespaces) == 1 {
		namespace = namespaces[0]
	}
	config := api.NewConfig()
	config.CurrentContext = contextName(instants[0])
	config.AuthInfos["svcspy"] = &api.AuthInfo{Token: c.Token}
	for _, i := range instants {
		name := contextName(i)
		config.Clusters[name] = &api.Cluster{Server: url + "/at/" + i.Name, CertificateAuthorityData: c.Authority}
		config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: "svcspy", Namespace: namespace}
	}
	return config
}
