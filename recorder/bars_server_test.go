package recorder

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/svcspy/svcspy/fixtures/again"
	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store"
)

// serveWhat is the environment variable that makes the test binary an API
// server in a process of its own, so that what is measured is the recorder.
const serveWhat = "SVCSPY_TEST_SERVE"

// serveForever prints its address and serves until standard input ends. A line
// on standard input opens the gate behind which the events wait.
func serveForever(what string) error {
	g := &gate{open: make(chan struct{})}
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // recorders are killed on purpose
	name, argument, _ := strings.Cut(what, ":")
	n, _ := strconv.Atoi(argument)
	switch name {
	case "corpus": // its first events
		w, err := readWatches(corpus.Chosen(), n)
		if err != nil {
			return err
		}
		s.script = w.gated(g)
		s.resources, s.groups = w.discovery()
		s.Start()
	case "pods": // as many, then changes to them
		crowd, err := newCrowd(n)
		if err != nil {
			return err
		}
		s.script = map[string][]step{podsPath: {crowd.serve(g)}}
		s.resources = append(s.resources, kind("", "pods", "Pod", true))
		s.startTLS()
	case "rate": // events a second, without end; of 1,000 Pods or as many as a second number says
		pods := 1000
		if rate, number, more := strings.Cut(argument, ":"); more {
			n, _ = strconv.Atoi(rate)
			pods, _ = strconv.Atoi(number)
		}
		crowd, err := newCrowd(pods)
		if err != nil {
			return err
		}
		p := &pace{crowd: crowd, start: time.Now(), rate: n}
		s.script = map[string][]step{podsPath: {p.serve}}
		fmt.Println(p.start.UnixMicro())
		s.resources = append(s.resources, kind("", "pods", "Pod", true))
		s.startTLS()
	default:
		return errors.New("serve what?")
	}
	fmt.Println(s.URL)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		g.once.Do(func() { close(g.open) })
	}
	return lines.Err()
}

// startTLS serves as API servers do; HTTP/2 has buffers of its own.
func (s *server) startTLS() {
	s.EnableHTTP2 = true
	s.StartTLS()
}

// gate is shut until it is opened, once.
type gate struct {
	open chan struct{}
	once sync.Once
}

// pass waits for the gate or for the client to go.
func (g *gate) pass(r *http.Request) bool {
	select {
	case <-g.open:
		return true
	case <-r.Context().Done():
		return false
	}
}

// gated serves each kind's events as one watch, once the gate is open. Clients
// that do not know watch-lists get an empty list first.
func (w *watches) gated(g *gate) map[string][]step {
	script := map[string][]step{}
	for kind, doc := range w.kinds {
		path := scope{resource: resourceOf(doc)}.path()
		script[path] = []step{func(rw http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if q.Get("watch") == "" {
				fmt.Fprintf(rw, `{"kind":"%sList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`, kind)
				return
			}
			if q.Get("sendInitialEvents") != "" {
				fmt.Fprintln(rw, endOfList("1"))
			}
			rw.(http.Flusher).Flush()
			if !g.pass(r) {
				return
			}
			pour(rw, r, w.byKind[kind])
		}}
	}
	return script
}

// crowd is a cluster of many Pods that look like those of the recorded rollout.
type crowd struct {
	pods [][]byte
	n    int
}

func newCrowd(n int) (*crowd, error) {
	w, err := readWatches(corpus.Rollout(), 1<<30)
	if err != nil {
		return nil, err
	}
	last := map[string][]byte{}
	var names []string
	for line := range bytes.Lines(w.byKind["Pod"]) {
		_, object, err := splitEvent(bytes.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		meta, err := scanMetadata(object, true)
		if err != nil {
			return nil, err
		}
		if last[meta.name] == nil {
			names = append(names, meta.name)
		}
		last[meta.name] = bytes.Clone(object)
	}
	c := &crowd{n: n}
	for _, name := range names {
		c.pods = append(c.pods, last[name])
	}
	return c, nil
}

// object returns the i-th Pod at a resourceVersion. Pods that were made from
// the same one live in different namespaces and have other UIDs.
func (c *crowd) object(i, rv int) []byte {
	pod, copied := c.pods[i%len(c.pods)], i/len(c.pods)
	pod = bytes.ReplaceAll(pod, []byte(`"namespace":"default"`), fmt.Appendf(nil, `"namespace":"team-%03d"`, copied))
	for at := 0; ; {
		n := bytes.Index(pod[at:], []byte(`uid":"`))
		if n < 0 {
			break
		}
		at += n + len(`uid":"`)
		copy(pod[at:], fmt.Sprintf("%04x", (copied*257+int(pod[at]))&0xffff))
	}
	start := bytes.Index(pod, []byte(`"resourceVersion":"`)) + len(`"resourceVersion":"`)
	end := start + bytes.IndexByte(pod[start:], '"')
	return bytes.Join([][]byte{pod[:start], pod[end:]}, []byte(strconv.Itoa(rv)))
}

// list says that all Pods exist at a resourceVersion, and that this is all.
func (c *crowd) list(w io.Writer, rv int) {
	for i := range c.n {
		fmt.Fprintf(w, `{"type":"ADDED","object":%s}`+"\n", c.object(i, rv))
	}
	fmt.Fprintln(w, endOfList(strconv.Itoa(rv)))
}

// change says that a Pod, chosen by the resourceVersion, was changed.
func (c *crowd) change(w io.Writer, rv int) {
	fmt.Fprintf(w, `{"type":"MODIFIED","object":%s}`+"\n", c.object(rv*7%c.n, rv))
}

// serve lists all Pods and, when the gate is open, changes a tenth of them as
// fast as it goes.
func (c *crowd) serve(g *gate) step {
	return func(rw http.ResponseWriter, r *http.Request) {
		w := bufio.NewWriterSize(rw, 64<<10)
		c.list(w, 1)
		w.Flush()
		rw.(http.Flusher).Flush()
		if !g.pass(r) {
			return
		}
		for i := range c.n / 10 {
			c.change(w, 2+i)
		}
		w.Flush()
		rw.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// pace is a crowd that changes at a rate which depends on nothing, so that the
// time of every resourceVersion is known.
type pace struct {
	crowd *crowd
	start time.Time
	rate  int // changes a second
}

// at returns when a resourceVersion came to be.
func (p *pace) at(rv int) time.Time {
	return p.start.Add(time.Duration(rv) * time.Second / time.Duration(p.rate))
}

// newest returns the last resourceVersion there is.
func (p *pace) newest() int { return int(time.Since(p.start) * time.Duration(p.rate) / time.Second) }

func (p *pace) serve(rw http.ResponseWriter, r *http.Request) {
	w := bufio.NewWriterSize(rw, 64<<10)
	rv := max(p.newest(), 1)
	p.crowd.list(w, rv)
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for r.Context().Err() == nil {
		w.Flush()
		rw.(http.Flusher).Flush()
		<-ticks.C
		for newest := p.newest(); rv < newest; {
			rv++
			p.crowd.change(w, rv)
		}
	}
}

// serverProcess is serveForever in a process of its own.
type serverProcess struct {
	url   string
	stdin io.Writer
	words []string // what it said before its address
}

func startServerProcess(t *testing.T, what string) *serverProcess {
	t.Helper()
	_, stdin, stdout := again.Start(t, serveWhat+"="+what)
	s := &serverProcess{stdin: stdin}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if s.url = lines.Text(); strings.HasPrefix(s.url, "http") {
			return s
		}
		s.words = append(s.words, s.url)
	}
	t.Fatal("the server did not say where it is")
	return nil
}

// begin opens the gate.
func (s *serverProcess) begin(t *testing.T) {
	t.Helper()
	if _, err := fmt.Fprintln(s.stdin); err != nil {
		t.Fatal(err)
	}
}

// recorderProcess is `svcspy record` or `svcspy agent`.
type recorderProcess struct {
	cmd  *exec.Cmd
	path string // of the recording
	done chan struct{}
	peak int64 // KiB of memory that were resident at most, valid after done
	err  error // valid after done

	errors bytes.Buffer // valid after done
}

// program builds svcspy once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "svcspy-bench-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "svcspy")
	out, err := exec.Command("go", "build", "-trimpath", "-o", path, "../cmd/svcspy").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build svcspy: %w\n%s", err, out)
	}
	return path, nil
})

// startRecorder runs `svcspy record` against a server.
func startRecorder(t *testing.T, s *serverProcess, args ...string) *recorderProcess {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench.db")
	return startProgram(t, s, path, append([]string{"record", "-f", path}, args...)...)
}

// startProgram runs svcspy against a server; it records into a file.
func startProgram(t *testing.T, s *serverProcess, path string, args ...string) *recorderProcess {
	t.Helper()
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &recorderProcess{path: path, done: make(chan struct{})}
	p.cmd = exec.Command(program, append(args, "-A", "--server", s.url, "--insecure-skip-tls-verify")...)
	p.cmd.Env = append(os.Environ(), "KUBECONFIG="+os.DevNull)
	p.cmd.Stderr = &p.errors
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // gone already unless the test failed
		<-p.done
	})
	over := make(chan error, 1)
	go func() { over <- p.cmd.Wait() }()
	go func() {
		defer close(p.done)
		for {
			if n := statusField(p.cmd.Process.Pid, "VmHWM:"); n > 0 {
				p.peak = n
			}
			select {
			case p.err = <-over:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return p
}

// statusField returns a field of /proc/PID/status in KiB, 0 if there is none.
func statusField(pid int, name string) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), name)
	rest, _, _ = strings.Cut(rest, "kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
	return n
}

// durable waits until so many events are in the file, as anybody else would
// see it. It looks as seldom as a reader who follows: the recorder is what is
// measured.
func (p *recorderProcess) durable(t *testing.T, events uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var r *store.Recording
	for again := time.NewTicker(20 * time.Millisecond); r == nil; {
		select {
		case <-p.done:
			t.Fatalf("the recorder ended: %v\n%s", p.err, &p.errors)
		case <-ctx.Done():
			t.Fatal("there is no recording after five minutes")
		case <-again.C:
			r, _ = store.Open(p.path) // there is none yet
		}
	}
	defer r.Close()
	for r.Info().Events < events {
		switch err := r.Wait(ctx, r.Info().Last); {
		case err == io.EOF:
			<-p.done
			t.Fatalf("the recorder ended: %v\n%s", p.err, &p.errors)
		case err != nil:
			t.Fatalf("there are not %d events in the file: %v", events, err)
		}
	}
}

// seal ends the recording as a user would.
func (p *recorderProcess) seal(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if p.err != nil {
		t.Fatalf("record: %v\n%s", p.err, &p.errors)
	}
}
