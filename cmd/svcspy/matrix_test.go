package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/fixtures"
	"github.com/svcspy/svcspy/fixtures/hostile"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// offline is each command that reads a recording, as it is called: FILE is the
// recording, SUBJECT its subject, OUT a new file.
var offline = []string{
	"trace SUBJECT -f FILE",
	"replay FILE SUBJECT",
	"replay FILE",
	"timeline FILE SUBJECT",
	"timeline FILE",
	"explain FILE SUBJECT",
	"diff FILE SUBJECT --since start+15s --until end-20s",
	"bisect FILE SUBJECT --good start+15s --bad end-20s",
	"changes SUBJECT -f FILE",
	"report FILE SUBJECT -o md",
	"events FILE",
	"events FILE SUBJECT",
	"get FILE SUBJECT",
	"get FILE pods",
	"shell FILE -c true",
	"info FILE",
	"verify FILE",
	"compact FILE OUT",
	"cut FILE OUT --since start+15s",
	"join FILE -f OUT",
	"export FILE --to OUT",
	"share FILE OUT --policy strict",
	"scan FILE",
	"mark FILE",
	"view FILE SUBJECT --export OUT",
	"assert FILE SENTENCE",
}

// notOffline need no recording, or one that is being written, or end only when
// they are interrupted.
var notOffline = []string{"svcspy", "record", "keep", "import", "agent", "ls", "fetch", "demo", "completion", "version", "help", "exit-codes", "times", "redaction", "serve", "mcp"}

// TestOfflineIsComplete checks that no command is forgotten here.
func TestOfflineIsComplete(t *testing.T) {
	for _, cmd := range everyCommand() {
		known := slices.Contains(notOffline, cmd.Name()) ||
			slices.ContainsFunc(offline, func(line string) bool { return strings.HasPrefix(line, cmd.Name()+" ") })
		if !known {
			t.Errorf("%s is tried with no bad file: add it to offline", cmd.Name())
		}
	}
}

// matrix is a folder in which command lines are tried.
type matrix struct {
	t   *testing.T
	dir string
	out int // files made so far
}

func newMatrix(t *testing.T) *matrix {
	t.Setenv("TZ", "UTC")
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("SHELL", "/bin/sh")
	dir := t.TempDir()
	t.Chdir(dir)
	// No command that is given a recording reads any of these.
	if err := os.MkdirAll(".kube", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"garbage", ".kube/config"} {
		if err := os.WriteFile(name, []byte("\x00{[not yaml"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBECONFIG", filepath.Join(dir, "garbage"))
	t.Setenv("HOME", dir)
	return &matrix{t: t, dir: dir}
}

// demo writes the recording most tests are about.
func (m *matrix) demo(path string) []byte {
	m.t.Helper()
	data, err := fixtures.Demos[0].Recording()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		m.t.Fatal(err)
	}
	return data
}

// run runs a line of offline.
func (m *matrix) run(line, file, subject string, more ...string) (code int, stdout, stderr string) {
	m.t.Helper()
	m.out++
	args := []string{cli.Program}
	for _, word := range strings.Fields(line) {
		switch word {
		case "FILE":
			args = append(args, file)
		case "SUBJECT":
			args = append(args, strings.Split(subject, "|")...)
		case "SENTENCE":
			args = append(args, "svc/web eventually Serving")
		case "OUT":
			args = append(args, fmt.Sprintf("out-%d.db", m.out))
		default:
			args = append(args, word)
		}
	}
	var out, errs bytes.Buffer
	code = run(append(args, more...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// oneError is what stderr holds when something fails: notes, one error, at most
// two hints.
var oneError = regexp.MustCompile(`^((at|from|svcspy: warning:) .*\n)*svcspy: error: .+\n(svcspy: hint: .+\n){0,2}$`)

// TestOffline runs every command with a good file. None needs a kubeconfig, and
// each answers or says why not, with a code of the documented ones.
func TestOffline(t *testing.T) {
	m := newMatrix(t)
	m.demo("demo.db")
	for _, line := range offline {
		code, out, errs := m.run(line, "demo.db", "svc/web")
		want := 0
		if strings.HasPrefix(line, "diff") {
			want = 1
		}
		if code != want || strings.Contains(errs, "error") || out == "" && !strings.HasPrefix(line, "shell") {
			t.Errorf("svcspy %s: exit code %d, want %d; stdout %d bytes, stderr %q", line, code, want, len(out), errs)
		}
	}
}

// TestSubjectWords names one subject in all ways: the answer is the same.
func TestSubjectWords(t *testing.T) {
	m := newMatrix(t)
	m.demo("demo.db")
	for _, line := range offline {
		if !strings.Contains(line, "SUBJECT") {
			continue
		}
		ways := map[string][]string{"svc/web": {"svc|web", "SVC/web", "service|shop/web"}}
		if strings.HasPrefix(line, "get") || strings.HasPrefix(line, "replay") || strings.HasPrefix(line, "events") {
			ways = map[string][]string{
				"svc/web":    {"svc|web", "SVC/web", "Service/web", "services/web", "service|shop/web", "Svc|shop/web"},
				"deploy/web": {"deployments|web", "Deployment/web", "deployment.apps/web", "deploy|shop/web", "DEPLOYMENTS.APPS/web"},
			}
		}
		for subject, others := range ways {
			_, want, _ := m.run(line, "demo.db", subject, "-n", "shop")
			for _, words := range append(others, subject) {
				flags := []string{"-n", "shop"}
				if strings.Contains(words, "shop/") || words == subject {
					flags = nil
				}
				_, got, errs := m.run(line, "demo.db", words, flags...)
				// A file that is written has a new name each time.
				if diff := cmp.Diff(outName.ReplaceAllString(want, "out"), outName.ReplaceAllString(got, "out")); diff != "" || want == "" {
					t.Errorf("svcspy %s: %q is not understood as %s\n%s%s", line, words, subject, errs, diff)
				}
			}
		}
	}
}

var outName = regexp.MustCompile(`out-[0-9]+`)

// TestBadFiles gives every command what is no recording.
func TestBadFiles(t *testing.T) {
	m := newMatrix(t)
	data := m.demo("demo.db")
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("empty.db", nil)
	write("text.db", []byte(strings.Repeat("just some text\n", 10000)))
	write("truncated.db", data[:len(data)/2])
	write("short.db", data[:5000])
	write("scratched.db", append(slices.Clone(data[:4000]), bytes.Repeat([]byte{0xff}, len(data)-4000)...))
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", "dangling.db"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo("pipe.db", 0o600); err != nil {
		t.Fatal(err)
	}
	files := []string{"nowhere.db", "empty.db", "text.db", "truncated.db", "short.db", "scratched.db", "folder", "dangling.db", "pipe.db", "demo.db/below", ""}
	if os.Geteuid() != 0 {
		write("locked.db", data)
		if err := os.Chmod("locked.db", 0); err != nil {
			t.Fatal(err)
		}
		files = append(files, "locked.db")
	}
	for _, line := range offline {
		for _, file := range files {
			if strings.HasPrefix(line, "scan") && (file == "text.db" || file == "empty.db") {
				continue // a text is none, and is scanned as one
			}
			code, out, errs := m.run(line, file, "svc/web")
			damaged := strings.HasPrefix(line, "verify") && code == cli.ExitTrue ||
				code == cli.ExitGap && strings.HasPrefix(errs, "svcspy: warning: "+file+" is damaged") ||
				code == cli.ExitGap && oneError.MatchString(errs) && out == ""
			if !damaged && (code != cli.ExitError && code != cli.ExitUsage || !oneError.MatchString(errs) || out != "") {
				t.Errorf("svcspy %s with %q: exit code %d\nstdout %q\nstderr %q", line, file, code, out, errs)
			}
		}
	}
}

// TestBadWords gives every command words and times that cannot be understood.
func TestBadWords(t *testing.T) {
	m := newMatrix(t)
	m.demo("demo.db")
	times := regexp.MustCompile(`(--since|--until|--good|--bad) \S+`)
	for _, line := range offline {
		if strings.Contains(line, "SUBJECT") {
			for subject, want := range map[string]int{
				"svc/wbe": cli.ExitError, "svcc/web": cli.ExitUsage, "svc/": cli.ExitUsage, "/web": cli.ExitUsage, "a/b/c": cli.ExitUsage, "svc|web|x": cli.ExitUsage,
				"svc|kube-system/web": cli.ExitError, "\x1b[31m/web": cli.ExitUsage, "svc/\x1b[31m": cli.ExitError,
			} {
				if subject == "svc|web|x" && strings.HasPrefix(line, "get") {
					want = cli.ExitError // get takes several names
				}
				if strings.HasPrefix(line, "diff") {
					want = cli.ExitUsage // 1 would say that there is a difference
				}
				code, out, errs := m.run(line, "demo.db", subject)
				if code != want || !oneError.MatchString(errs) || out != "" || strings.ContainsRune(errs, '\x1b') {
					t.Errorf("svcspy %s with %q: exit code %d, want %d\nstdout %q\nstderr %q", line, subject, code, want, out, errs)
				}
			}
		}
		for _, when := range []string{"garbage", "3m ago", "14:02Z", "2026-11-23 14:02 +0200", "@1795442520", "#0", "#99999", "verdict:99", "@nobody", "\x1b[2J", "\xff"} {
			bad := []string{}
			for _, flag := range []string{"--at", "--since", "--until", "--good", "--bad"} {
				if takes(line, strings.TrimPrefix(flag, "--")) {
					bad = append(bad, flag)
				}
			}
			for _, flag := range bad {
				given := times.FindAllString(line, -1)
				words := times.ReplaceAllString(line, "")
				for _, g := range given {
					if !strings.HasPrefix(g, flag) {
						words += " " + g
					}
				}
				code, out, errs := m.run(words, "demo.db", "svc/web", flag, when)
				if code != cli.ExitUsage || !oneError.MatchString(errs) || out != "" || strings.ContainsRune(errs, '\x1b') {
					t.Errorf("svcspy %s %s %q: exit code %d\nstdout %q\nstderr %q", words, flag, when, code, out, errs)
				}
			}
		}
	}
}

// takes reports whether the command of a line has a flag.
func takes(line, flag string) bool {
	name, _, _ := strings.Cut(line, " ")
	for _, cmd := range everyCommand() {
		if cmd.Name() == name {
			return cmd.Flags().Lookup(flag) != nil
		}
	}
	return false
}

// TestHostile shows a recording of an attacker with every command: nothing of
// theirs reaches the terminal as a control character.
func TestHostile(t *testing.T) {
	schemas, err := filepath.Abs(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	checker := newChecker(schemas)
	m := newMatrix(t)
	m.demo("demo.db")
	r, err := store.Open("demo.db")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	seeds := 6
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		memory, subject, err := hostile.Recording(r, seed)
		if err != nil {
			t.Fatal(err)
		}
		file := fmt.Sprintf("hostile-%d.db", seed)
		writeRecording(t, memory, file)
		for _, line := range offline {
			if strings.HasPrefix(line, "shell") || strings.HasPrefix(line, "compact") {
				continue
			}
			for _, format := range []string{"", "json", "yaml", "jsonl", "wide", "name", "html"} {
				words := line
				if format != "" {
					if strings.HasPrefix(line, "report") {
						words = strings.Replace(line, "-o md", "", 1)
					}
					words += " -o " + format
				}
				// Its name cannot be written as TYPE/NAME: it may hold slashes.
				if strings.Contains(subject.Name, "/") && strings.Contains(line, "SUBJECT") {
					continue
				}
				code, out, errs := m.run(words, file, "svc/"+subject.Name, "--color", "never")
				if _, err := checker.check([]byte(out), format); err != nil && (format == "json" || format == "yaml" || format == "jsonl") {
					t.Errorf("seed %d: svcspy %s: %v", seed, words, err)
				}
				if code > cli.ExitGap {
					t.Errorf("seed %d: svcspy %s: exit code %d, stderr %q", seed, words, code, errs)
				}
				for _, text := range []string{out, errs} {
					for i, c := range text {
						if c != '\n' && c != '\t' && c != wordJoiner && report.Clean(string(c)) != string(c) {
							t.Errorf("seed %d: svcspy %s: control character %q in %q", seed, words, c, text[max(0, i-40):min(len(text), i+20)])
							break
						}
					}
				}
			}
		}
	}
}

// wordJoiner is what report puts into Markdown so that nothing becomes a link.
const wordJoiner = '\u2060'

// writeRecording writes what was heard in memory to a file.
func writeRecording(t *testing.T, m *store.Memory, path string) {
	t.Helper()
	info := m.Info()
	w, err := store.Create(path, info.Header)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := m.Ledger(0, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	cover := func(before store.Seq) {
		for len(ledger) > 0 && ledger[0].Seq < before {
			if _, err := w.Cover(ledger[0]); err != nil {
				t.Fatal(err)
			}
			ledger = ledger[1:]
		}
	}
	for e, err := range m.Events(1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		cover(e.Seq)
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	cover(info.Last + 1)
	if _, err := w.Seal(info.End); err != nil {
		t.Fatal(err)
	}
}
