package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/fixtures/again"

	"github.com/svcspy/svcspy/store/rawjson"
)

// killedWriter is the environment variable that makes the test binary a writer
// that does nothing but record to the file it names.
const killedWriter = "SVCSPY_TEST_WRITE"

func TestMain(m *testing.M) {
	if path := os.Getenv(killedWriter); path != "" {
		if err := recordForever(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if what := os.Getenv(measured); what != "" {
		if err := measure(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Numbered is the n-th event of recordForever.
func numbered(n int) Event {
	name := fmt.Sprintf("pod-%d", n%97)
	object := fmt.Sprintf(`{"kind":"Pod","metadata":{"name":%q,"namespace":"a","uid":"u-%d","resourceVersion":"%d","labels":{"app":"app-%d"}},"text":%q}`,
		name, n%97, n, n%7, strings.Repeat(strconv.Itoa(n*7919), n%60))
	e := Event{Time: start.Add(time.Duration(n) * time.Millisecond), Type: watch.Modified, Resource: pods, Namespace: "a", Name: name, Object: []byte(object)}
	if n%50 == 49 {
		e.Type = watch.Deleted
	}
	id, _ := rawjson.Identify(pods, e.Object)
	e.UID, e.ResourceVersion = id.UID, id.ResourceVersion
	return e
}

// recordForever writes numbered events as fast as it can until standard input
// is closed, then seals. After each commit it prints how many are durable.
func recordForever(path string) error {
	w, err := Create(path, Header{Start: start})
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	random := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	for n := 1; ; {
		for range random.IntN(400) {
			e := numbered(n)
			if _, err := w.Append(e); err != nil {
				return err
			}
			n++
		}
		select {
		case <-stop:
			_, err := w.Seal(numbered(n).Time)
			return err
		default:
		}
		if err := w.Commit(numbered(n).Time); err != nil {
			return err
		}
		fmt.Println(n - 1)
	}
}

// startWriter runs recordForever in a process of its own.
func startWriter(t *testing.T, path string) (cmd *exec.Cmd, stop io.Closer, acknowledged *bufio.Scanner) {
	t.Helper()
	cmd, stdin, stdout := again.Start(t, killedWriter+"="+path)
	return cmd, stdin, bufio.NewScanner(stdout)
}

// checkNumbered reads a file written by recordForever; at least the first
// events must be there, and all that are must be right.
func checkNumbered(t *testing.T, path string, atLeast int) Info {
	t.Helper()
	r := open(t, path)
	defer r.Close()
	info := r.Info()
	if info.Last < Seq(atLeast) {
		t.Fatalf("%d of %d acknowledged events are there", info.Last, atLeast)
	}
	n := 0
	for e, err := range r.Events(1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		want := numbered(n)
		want.Seq = Seq(n)
		if !same(want, e) {
			t.Fatalf("event %d is %+v", n, e)
		}
	}
	if Seq(n) != info.Last || uint64(n) != info.Events {
		t.Fatalf("%d events, Info says %d up to %d", n, info.Events, info.Last)
	}
	history, err := r.History(Ref{Resource: pods, Namespace: "a", Name: "pod-1"}, info.Last)
	if err != nil || len(history) != (n+96)/97 {
		t.Fatalf("history of pod-1 has %d versions of %d events: %v", len(history), n, err)
	}
	return info
}

// TestKill kills a recording process at random moments: everything it said was
// durable is in the file, the file is known to be incomplete, and verifies.
func TestKill(t *testing.T) {
	times := 6
	if os.Getenv("SVCSPY_LONG") != "" {
		times = 200
	}
	dir := t.TempDir()
	for i := range times {
		path := filepath.Join(dir, strconv.Itoa(i))
		cmd, _, lines := startWriter(t, path)
		if !lines.Scan() {
			t.Fatal("the writer said nothing")
		}
		time.AfterFunc(rand.N(150*time.Millisecond), func() { _ = cmd.Process.Kill() })
		acknowledged := 0
		for more := true; more; more = lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				acknowledged = n
			}
		}
		_ = cmd.Wait()
		info := checkNumbered(t, path, acknowledged)
		if info.Closed || info.SHA256 != "" {
			t.Fatal("a killed recording says it is closed")
		}
		if v, err := Verify(path); err != nil || len(v.Damage) > 0 {
			t.Fatalf("verify: %+v, %v", v.Damage, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollow reads a file while another process writes it, until that seals it.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live")
	_, stop, lines := startWriter(t, path)
	if !lines.Scan() {
		t.Fatal("the writer said nothing")
	}
	r := open(t, path)
	if r.Info().Closed {
		t.Fatal("closed while it is being written")
	}
	if _, err := Verify(path); !errors.Is(err, ErrInUse) {
		t.Errorf("verify: %v, want ErrInUse", err)
	}
	if err := AddMark(path, Mark{Text: "x"}); !errors.Is(err, ErrInUse) {
		t.Errorf("mark: %v, want ErrInUse", err)
	}
	seen := Seq(0)
	for stopped := false; ; {
		last := r.Info().Last
		for e, err := range r.Events(seen+1, last) {
			if err != nil {
				t.Fatal(err)
			}
			seen++
			if want := numbered(int(seen)); e.Seq != seen || string(e.Object) != string(want.Object) {
				t.Fatalf("event %d is %+v", seen, e)
			}
		}
		history, err := r.History(Ref{Resource: pods, Namespace: "a", Name: "pod-1"}, last)
		if err != nil || len(history) != (int(last)+96)/97 {
			t.Fatalf("history at %d has %d versions: %v", last, len(history), err)
		}
		if seen > 3000 && !stopped {
			stopped = true
			go func() {
				for lines.Scan() { // the writer must not wait for its reader
				}
			}()
			if err := stop.Close(); err != nil {
				t.Fatal(err)
			}
		} else if !stopped {
			for range 3 {
				lines.Scan()
			}
		}
		err = r.Wait(context.Background(), last)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if info := r.Info(); !info.Closed || info.Last != seen {
		t.Fatalf("at the end: closed %v, last %d, seen %d", info.Closed, info.Last, seen)
	}
	if info := checkNumbered(t, path, int(seen)); info.Last != seen || info.SHA256 != r.Info().SHA256 {
		t.Fatalf("reopened: %+v, want %+v", info, r.Info())
	}
}
