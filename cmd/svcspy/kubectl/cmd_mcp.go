package kubectl

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/mcp"
	"github.com/svcspy/svcspy/store"
)

// Runner runs one command line and returns its exit code.
type Runner func(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int

// MCPCommand returns the command mcp. What an assistant asks is run by run.
func MCPCommand(a *cli.App, run Runner) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "mcp FILE|DIR...",
		Short: "Let AI assistants ask about recordings",
		Long: `Mcp answers the Model Context Protocol, so that an AI assistant can ask about
recordings what a person can: incidents, verdict, timeline, explain, changes,
diff, bisect, get, events, coverage. Each answer is a page of what the command
prints, with the instant it is about, event numbers, gaps, and the command that
reproduces it. Nothing is written. Only the named recordings, and those in the
named folders, can be asked about.

It speaks over standard input and output, as most assistants expect. With
--listen it serves streamable HTTP at an address of this machine; clients need
the token that it prints.

EXIT STATUS
  0 the client has gone, or stopped by ctrl-C, 1 error, 2 wrong words.`,
		Example: `  # what an assistant starts
  svcspy mcp incident.db

  # all recordings of a folder, over HTTP
  svcspy mcp recordings/ --listen 127.0.0.1:7777`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usage(errors.New("mcp takes recordings, or folders of them"), cmd.CommandPath()+" --help shows examples")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			library, err := mcp.NewLibrary(args...)
			if err != nil {
				return err
			}
			open := func(path string) (*store.Recording, error) { // from several goroutines
				return (&cli.App{Context: a.Context}).OpenRecording(path)
			}
			server, err := mcp.NewServer(mcp.Options{Library: library, Open: open, Run: func(ctx context.Context, args []string) mcp.Output { return Answer(ctx, run, a.ZoneName, args) }, Program: a.Program(), Version: cli.ProgramVersion()})
			if err != nil {
				return err
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			if listen != "" {
				return serveMCP(ctx, a, server, listen)
			}
			if cli.IsTerminal(a.In) {
				a.Note("speaking the Model Context Protocol on this terminal; an assistant starts this command by itself")
			}
			err = server.Run(ctx, &sdk.IOTransport{Reader: io.NopCloser(a.In), Writer: openWriter{a.Out}})
			if ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, sdk.ErrConnectionClosed) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "answer over HTTP at this loopback address, such as 127.0.0.1:7777, instead of standard input and output")
	return cmd
}

// openWriter is a writer that its user may close, and stays open.
type openWriter struct{ io.Writer }

func (openWriter) Close() error { return nil }

// answerBytes bounds what one question may print.
const answerBytes = 16 << 20

// Answer runs one command line as a question of an assistant: with no terminal, no
// input and bounded output.
func Answer(ctx context.Context, run Runner, zone string, args []string) mcp.Output {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, notes := &boundedBuffer{limit: answerBytes, full: cancel}, &boundedBuffer{limit: 64 << 10}
	words := []string{cli.Program, "--color=never"}
	if zone != "" {
		words = append(words, "--tz="+zone)
	}
	code := run(ctx, append(words, args...), strings.NewReader(""), out, notes)
	if out.cut {
		fmt.Fprintf(&notes.Buffer, "svcspy: warning: the answer is longer than %d MiB and ends early; ask about less\n", answerBytes>>20)
	}
	return mcp.Output{Text: out.String(), Notes: notes.String(), Code: code}
}

// boundedBuffer keeps the beginning of what is written to it.
type boundedBuffer struct {
	bytes.Buffer
	limit int
	full  func() // called when no more is kept, if not nil
	cut   bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if room := b.limit - b.Len(); len(p) > room {
		b.cut = true
		b.Buffer.Write(p[:max(room, 0)])
		if b.full != nil {
			b.full()
		}
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// serveMCP answers over HTTP until ctx is done.
func serveMCP(ctx context.Context, a *cli.App, server *sdk.Server, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return cli.Usage(fmt.Errorf("--listen %q is not an address", address), "such as 127.0.0.1:7777; port 0 takes a free one")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return cli.Usage(fmt.Errorf("--listen %s is not an address of this machine alone", address), "use 127.0.0.1, and ssh -L to reach it from elsewhere")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	token := rand.Text()
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server },
		&sdk.StreamableHTTPOptions{SessionTimeout: time.Hour})
	hs := &http.Server{Handler: http.NewCrossOriginProtection().Handler(bearer(token, handler)), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	fmt.Fprintf(a.Out, "http://%s/\n", listener.Addr())
	a.Note("token %s (send it as Authorization: Bearer); ctrl-C stops it", token)
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Event streams stay open for as long as their client does.
	err = hs.Close()
	if serr := <-failed; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// bearer lets only those through who bring the token.
func bearer(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			w.Header().Set("Connection", "close")
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token that svcspy printed is missing", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
