package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/kubectl"
	"github.com/svcspy/svcspy/replay/mcp"
	"github.com/svcspy/svcspy/store"
)

// askedIncidents are what a scripted client asks about: the recording, its
// Service, and words of the account that only the true one has, from what was
// done.
var askedIncidents = []struct{ name, trigger string }{
	{"selector-edited", "/spec/selector"},
	{"bad-image-rollout", "image"},
	{"scale-to-zero", "replicas"},
	{"unready-after-rollout", "image"},
	{"port-renamed", "port"},
	{"workload-deleted", "deleted"},
	{"node-loss", "Node"},
	{"quota-exceeded", "quota"},
	{"webhook-down", "webhook"},
	{"api-server-restart", "/spec/selector"},
}

// TestMCP asks about ten incidents as an assistant does: the outages, the story,
// the coverage. Each answer says what changed, is small, and its command prints
// the same.
func TestMCP(t *testing.T) {
	dir, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "incidents"))
	if err != nil {
		t.Fatal(err)
	}
	a := &cli.App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Now: time.Now, Name: cli.Program, ZoneName: "UTC"}
	library, err := mcp.NewLibrary(dir)
	if err != nil {
		t.Fatal(err)
	}
	server, err := mcp.NewServer(mcp.Options{Open: store.Open, Library: library, Run: func(ctx context.Context, args []string) mcp.Output {
		return kubectl.Answer(ctx, runContext, a.ZoneName, args)
	}, Program: a.Program(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	here, there := sdk.NewInMemoryTransports()
	ss, err := server.Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = session.Close()
		_ = ss.Wait()
	}()
	ask := func(tool string, args map[string]any) (string, map[string]any) {
		t.Helper()
		r, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
		if err != nil {
			t.Fatal(err)
		}
		text := r.Content[0].(*sdk.TextContent).Text
		if r.IsError {
			t.Fatalf("%s %v: %s", tool, args, text)
		}
		// A token of English and of names is three and a half bytes or more.
		if len(text) > 7000 {
			t.Errorf("%s %v: %d bytes are more than 2,000 tokens", tool, args, len(text))
		}
		about, _ := r.StructuredContent.(map[string]any)
		return text, about
	}
	asked := askedIncidents
	if testing.Short() { // the race detector needs no score
		asked = asked[:2]
	}
	for _, i := range asked {
		t.Run(i.name, func(t *testing.T) {
			name := i.name + ".db"
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			outages, _ := ask("incidents", map[string]any{"recording": name})
			story, about := ask("explain", map[string]any{"recording": name})
			for what, text := range map[string]string{"incidents": outages, "explain": story} {
				if !strings.Contains(text, i.trigger) {
					t.Errorf("%s does not tell of %s:\n%s", what, i.trigger, text)
				}
			}
			for _, key := range []string{"from", "to", "command", "complete", "gaps"} {
				if _, ok := about[key]; !ok {
					t.Errorf("explain does not say %q: %v", key, about)
				}
			}
			command, _ := about["command"].(string)
			out := kubectl.Answer(t.Context(), runContext, a.ZoneName, strings.Fields(command)[1:])
			for line := range strings.Lines(out.Text) {
				if !strings.Contains(story, line) && about["cursor"] == nil {
					t.Errorf("%s prints %q, the answer does not", command, line)
				}
			}
			if coverage, _ := ask("coverage", map[string]any{"recording": name}); !strings.Contains(coverage, "recorded from ") {
				t.Errorf("coverage:\n%s", coverage)
			}
		})
	}
	r, err := session.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "svcspy://selector-edited.db/verdict/shop/svc/web?at=incident"})
	if err != nil || !strings.Contains(r.Contents[0].Text, `"state": "`+string(analyzer.NotServing)+`"`) {
		t.Errorf("verdict as a resource: %v, %v", r, err)
	}
	if r, err := session.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "svcspy://selector-edited.db/report"}); err != nil || !strings.HasPrefix(r.Contents[0].Text, "# ") {
		t.Errorf("report as a resource: %v, %v", r, err)
	}
	for _, uri := range []string{"svcspy://../x.db/report", "svcspy://selector-edited.db/other", "file:///etc/passwd", "svcspy://selector-edited.db/verdict/shop/svc/%2e%2e%00?at=x"} {
		if r, err := session.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: uri}); err == nil {
			t.Errorf("resource %s: %v, want an error", uri, r.Contents[0])
		}
	}
}

// TestMCPOverHTTP answers to whoever brings the token, and to no one else.
func TestMCPOverHTTP(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	outReader, out := io.Pipe()
	errReader, errs := io.Pipe()
	code := make(chan int, 1)
	go func() {
		args := []string{cli.Program, "mcp", filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"), "--listen", "127.0.0.1:0"}
		code <- runContext(ctx, args, strings.NewReader(""), out, errs)
		out.Close()
		errs.Close()
	}()
	line := func(r io.Reader) string {
		text, err := bufio.NewReader(r).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(text)
	}
	url := line(outReader)
	_, token, _ := strings.Cut(line(errReader), "token ")
	token, _, _ = strings.Cut(token, " ")
	for name, header := range map[string]string{"no token": "", "wrong token": "Bearer x"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	client := &http.Client{Transport: withToken(token)}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: url, HTTPClient: client}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "incidents"})
	if err != nil || !strings.Contains(r.Content[0].(*sdk.TextContent).Text, "shop/web") {
		t.Errorf("incidents: %v, %v", r, err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	cancel()
	if code := <-code; code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
	for _, address := range []string{"0.0.0.0:0", ":7777", "example.com:80", "nonsense"} {
		var errs bytes.Buffer
		if code := run([]string{cli.Program, "mcp", ".", "--listen", address}, strings.NewReader(""), io.Discard, &errs); code != cli.ExitUsage {
			t.Errorf("--listen %s: exit code %d: %s", address, code, errs.String())
		}
	}
}

type withToken string

func (token withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(token))
	return http.DefaultTransport.RoundTrip(r)
}
