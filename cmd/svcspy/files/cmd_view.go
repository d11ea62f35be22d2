package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/web"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// viewOptions say what the browser shows.
type viewOptions struct {
	cli.Range
	export string
	noOpen bool
	port   int
}

// ViewCommand returns the command view.
func ViewCommand(a *cli.App) *cobra.Command {
	o := &viewOptions{Range: cli.Range{Query: &cli.Query{App: a}}}
	cmd := &cobra.Command{
		Use:   "view FILE [TYPE/NAME]",
		Short: "Look at a recorded outage in the browser",
		Long: `View opens a recording in the browser: the outages with what, when, who and what
now, then a lane for each object that matters, what caused the outage first, with
every change and Warning on it. Zoom, compare two instants, read manifests and
their differences, search, play, add marks, and copy a link to any moment.

It listens on a loopback port, behind a random token in the address, and ends
with ctrl-C. The page loads nothing from anywhere else. A recording that is still
being written is followed.

--export FILE.html writes the same page with the data inside, to be attached or
sent: one file of at most 2 MB that needs no server. --since and --until choose
the time it shows. The page lists what did not fit.

EXIT STATUS
  0 stopped by ctrl-C or written, 1 error, 2 wrong words or time.`,
		Example: `  # open the browser
  svcspy view incident.db

  # on a machine without one: print the address, for a tunnel
  svcspy view incident.db --no-open --port 8333

  # one file for the postmortem
  svcspy view incident.db svc/web -n shop --export outage.html`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 3 {
				return cli.Usage(errors.New("view takes a recording and at most one subject"), a.Name+" view --help shows examples")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.port < 0 || o.port > 65535 {
				return cli.Usage(fmt.Errorf("--port %d is not between 1 and 65535", o.port), "")
			}
			if o.export == "" && (o.Since != "" || o.Until != "") {
				return cli.Usage(errors.New("--since and --until need --export"), "the page itself zooms")
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.Query.Namespace, "namespace", "n", "", "namespace of the subject")
	flags.StringVar(&o.export, "export", "", "write the page with the data inside to this file, - for stdout")
	flags.BoolVar(&o.noOpen, "no-open", false, "print the address and do not open a browser")
	flags.IntVar(&o.port, "port", 0, "port to listen on (default: a free one)")
	flags.StringVar(&o.Since, "since", "", "with --export, the instant to begin at (default: the start)")
	flags.StringVar(&o.Until, "until", "", "with --export, the instant to end at (default: the end)")
	return cmd
}

func (o *viewOptions) run(ctx context.Context, file string, words []string) (err error) {
	o.Output = "text"
	r, err := o.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := cli.NotEmpty(r); err != nil {
		return err
	}
	var subject store.Ref
	if len(words) > 0 {
		if subject, err = o.Subject(r, words, r.Info().Last); err != nil {
			return err
		}
	}
	options := o.webOptions(r, file)
	if o.export != "" {
		return o.exportPage(ctx, r, options, subject, file)
	}
	return o.serve(ctx, r, options, subject)
}

// webOptions say how the recording is shown.
func (o *viewOptions) webOptions(r *store.Recording, file string) web.Options {
	zone := o.Text().Zone.String()
	if zone == "Local" {
		zone = "" // the browser knows its own
	}
	options := web.Options{
		Token: rand.Text(), File: bucket.ObjectName(file), Zone: zone, Now: o.Now,
		Survey: func(ctx context.Context, progress func(done, total int)) (*web.Survey, error) {
			list, courses, err := o.OutageList(ctx, r, bucket.ObjectName(file), progress)
			return &web.Survey{Outages: list, Courses: courses}, err
		},
		AddMark: func(ctx context.Context, m store.Mark) error {
			ctx, cancel := context.WithTimeout(ctx, cli.ScreenPatience)
			defer cancel()
			m.Author = cli.Author()
			_, err := cli.WriteMark(ctx, cli.LocalPath(file), m, m.Time)
			return err
		},
	}
	if bucket.IsAddress(file) {
		options.AddMark = nil
	}
	return options
}

// exportPage writes one file that stands alone, whole or not at all.
func (o *viewOptions) exportPage(ctx context.Context, t replay.Timeline, options web.Options, subject store.Ref, file string) error {
	from, to, err := o.Resolve(t)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	err = web.Export(ctx, &b, t, options, web.ExportOptions{Subject: subject, From: from, To: to, File: bucket.ObjectName(file), Title: bucket.ObjectName(file)})
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	if o.export == "-" {
		_, err := o.Out.Write(b.Bytes())
		return err
	}
	if err := writeWhole(o.export, b.Bytes()); err != nil {
		return err
	}
	o.Note("wrote %s: it opens in any browser and loads nothing", report.Bytes(int64(b.Len())))
	_, err = fmt.Fprintln(o.Out, report.Clean(o.export))
	return err
}

// writeWhole writes a file beside its place first, so that it is there whole or
// not at all.
func writeWhole(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".svcspy-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o600), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// serve shows the page until it is interrupted.
func (o *viewOptions) serve(ctx context.Context, t replay.Timeline, options web.Options, subject store.Ref) (err error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("listen on loopback: %w", err)
	}
	handler := web.New(t, options)
	defer handler.Close()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	failed := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("show the recording: %w", err)
		}
	}()
	defer func() {
		err = errors.Join(err, server.Close())
		<-ended
	}()
	address := "http://" + listener.Addr().String() + "/" + options.Token + "/"
	if subject.Name != "" {
		address += "#o=" + url.PathEscape(subject.Resource.GroupResource().String()) + "/" + url.PathEscape(subject.Namespace) + "/" + url.PathEscape(subject.Name)
	}
	fmt.Fprintln(o.Out, address)
	if !o.noOpen {
		if err := openBrowser(address); err != nil {
			o.Note("no browser could be opened (%v): open the address above", err)
		}
	}
	o.Note("ctrl-C ends it")
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// openBrowser opens an address in the browser of the desktop, and does not wait
// for it.
func openBrowser(address string) error {
	var words []string
	switch runtime.GOOS {
	case "darwin":
		words = []string{"open", address}
	case "windows":
		words = []string{"rundll32", "url.dll,FileProtocolHandler", address}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" && os.Getenv("BROWSER") == "" {
			return errors.New("there is no graphical session")
		}
		words = append(strings.Fields(os.Getenv("BROWSER")), address)
		if len(words) == 1 {
			words = []string{"xdg-open", address}
		}
	}
	cmd := exec.Command(words[0], words[1:]...)
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
