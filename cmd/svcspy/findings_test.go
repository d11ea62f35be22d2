package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// TestFindings holds what users found wrong when they tried svcspy: each row is one
// finding, the question that showed it, what is to be said, and what is not to be.
// Findings of the screen are in replay/tui (TestFindings), of the pages in
// fixtures/browser, of files and habits in TestHabits.
func TestFindings(t *testing.T) {
	if testing.Short() {
		t.Skip("opens many recordings")
	}
	program := answering(t)
	incidents, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "incidents"))
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{}
	for _, c := range []struct {
		finding, line string
		says, not     []string // regular expressions, in the text printed and in the notes
	}{
		{"B1: a verdict that begins as time passes cites the time, not a #", "timeline bad-image-rollout.db svc/web", []string{`23:58:49 {8,}30s  Degraded`}, []string{`#298`}},
		{"B1", "report bad-image-rollout.db -o md", []string{`became Degraded`, `--at 2026-11-23T23:58:49.000001Z`}, []string{`#298`}},
		{"B2: since is when the verdict began", "replay bad-image-rollout.db svc/web --at 23:59:22", []string{`Serving  since 23:59:19`}, nil},
		{"B2: since, behind a gap", "replay api-server-restart.db svc/web --at 75%", []string{`Serving  since 00:21:13`}, nil},
		{"B2: since, in a gap", "replay api-server-restart.db svc/web --at 00:21:00", []string{`Unknown  since 00:20:42`}, nil},
		{"B2: since, of a Pod that is missing", "replay controllers-stalled.db svc/web", []string{`must still be made, since 00:11:29Z`}, nil},
		{"B3: one start and one duration", "replay webhook-down.db", []string{`shop/web NotServing for 26s of 34s, 20:54:47 to 20:55:21`, `policy/guard NotServing for 40s of 49s, 20:54:37 until`}, nil},
		{"B3", "timeline webhook-down.db svc/web", []string{`1 outage, 34s in all; nothing was served for 26s of it`}, nil},
		{"B3", "explain webhook-down.db svc/web", []string{`from 20:54:47 UTC until 20:55:21 \(34s\), NotServing for 26s of it`}, nil},
		{"B3", "report webhook-down.db svc/web -o md", []string{`web was NotServing for 26s of 34s`, `20:54:47Z to 2026-11-25 20:55:21Z \(34s\)`}, nil},
		{"B3", "report webhook-down.db svc/guard -n policy -o md", []string{`NotServing for 40s of 49s`, `20:54:37Z until the end of what was looked at \(49s\)`}, []string{`50s`}},
		{"B3", "replay bad-image-rollout.db", []string{`Degraded for 30s of 40s, 23:58:39 to 23:59:19`}, nil},
		{"B3", "report bad-image-rollout.db -o md", []string{`Degraded for 30s of 40s`, `23:58:39Z to 2026-11-23 23:59:19Z \(40s\)`}, nil},
		{"B4: no name resolves, in the report", "replay dns-down.db svc/web --at 60%", []string{`dns REJECT`, `C4 ✘`}, []string{`dns OK`}},
		{"B4: no name resolves, in the list", "replay dns-down.db --at 60%", []string{`web +Serving +3/3 +cluster-dns-down`}, nil},
		{"B4: no name resolves, in the outages", "replay dns-down.db", []string{`effect    no name of a Service resolves`}, nil},
		{"B5: before its creation a Service has no outage", "report webhook-down.db svc/guard -n policy -o md", []string{`NotServing`, `guard:badtag`}, []string{`was Absent for`, `at worst it was Absent`, `Absent :crit`}},
		{"B5: in the overview", "replay webhook-down.db", []string{`2 outages`, `policy/guard NotServing`, `trigger   20:54:37 Deployment policy/guard created`}, nil},
		{"B6: at the start nothing was received yet", "replay webhook-down.db --at start", []string{`not known`}, []string{`no Services at`}},
		{"B7: all Nodes are blamed", "replay all-nodes-silent.db svc/web", []string{`Nodes n1, n2 and n3 are not ready`, `all 3 Pods`}, []string{`serving: Node n1 is`}},
		{"B7: no contradiction in one line", "replay unready-after-rollout.db svc/web", nil, []string{`serves from 1 of 3 .* 3 of 3 Pods available`}},
		{"B8: three of three is not less than wanted", "report bad-image-rollout.db -o md", []string{`the verdict was Degraded or worse`}, []string{`less was served than wanted`, `Less than wanted`}},
		{"B11: one zone in a text", "explain selector-edited.db --tz Europe/Berlin", []string{`01:00:07 CET`}, []string{`[^T]00:00:07`}},
		{"B11: in the evidence", "replay selector-edited.db svc/web --at incident --tz Europe/Berlin", []string{`Update at 01:00:07`}, []string{`Update at 00:00:07Z`}},
		{"B11: in the events", "events selector-edited.db --since #279 --until #279 --tz Europe/Berlin", []string{`2026-11-24T01:00:07\.\d+\+01:00`}, []string{`Z MODIFIED`}},
		{"B11: in the demo", "demo selector-edited --once --tz Europe/Berlin", []string{`  01:00:07  NotServing`, `At 2026-11-24T01:00:17\+01:00`, `since 01:00:07`}, []string{`  00:00:07  `}},
		{"B14: the hint fits", "trace svc/web --kubeconfig /nonexistent", []string{`check the path`}, []string{`record`}},
		{"B16: svc/NAMESPACE/NAME is a subject everywhere", "explain selector-edited.db svc/shop/web", []string{`WHAT CHANGED`}, nil},
		{"B19: a gap is told in plain words", "replay api-server-restart.db svc/web --at 00:21:00", []string{`have not been received since`, `last seen: 3 ready endpoints\)`}, []string{`what Service`, `as last heard`}},
		{"B20: flaps are one incident", "replay readiness-flapping.db", []string{`NotServing 4 times, 20s in all, 00:04:06 to 00:05:11`}, nil},
		{"B20: in the document", "report readiness-flapping.db -o md", []string{`web was NotServing 4 times, 20s in all`, `00:04:06Z to 2026-11-24 00:05:11Z, 4 times`}, nil},
		{"B22: no far-fetched suggestion", "get selector-edited.db foo", nil, []string{`did you mean pod`}},
		{"B22", "ui", []string{`looks at a recording`}, []string{`did you mean cut`}},
	} {
		words := strings.Fields(c.line)
		if !strings.Contains(c.line, "--tz") {
			words = append(words, "--tz", "UTC")
		}
		answer, asked := answers[c.line]
		if !asked {
			_, out, errw := program(incidents, words)
			answer = out + errw
			answers[c.line] = answer
		}
		for _, text := range c.says {
			if !regexp.MustCompile(text).MatchString(answer) {
				t.Errorf("%s: svcspy %s does not say %q:\n%s", c.finding, c.line, text, answer)
			}
		}
		for _, text := range c.not {
			if regexp.MustCompile(text).MatchString(answer) {
				t.Errorf("%s: svcspy %s says %q:\n%s", c.finding, c.line, text, answer)
			}
		}
	}
}

// TestReportOnATerminal is finding B18: the page goes to a file, and the terminal
// gets its name.
func TestReportOnATerminal(t *testing.T) {
	program := answering(t)
	dir := t.TempDir()
	if code, _, errw := program(dir, []string{"demo", "selector-edited", "-f", "demo.db"}); code != cli.ExitOK {
		t.Fatal(errw)
	}
	said := onTerminal(t, 80, func(tty *os.File) {
		words := []string{"report", "demo.db", "svc/web", "-n", "shop"}
		a := &cli.App{In: strings.NewReader(""), Out: tty, Err: tty, Name: cli.Program, Now: time.Now}
		root := newRoot(a, words...)
		root.SetArgs(words)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if len(said) > 1000 || strings.Contains(said, "<") || !strings.Contains(said, "svcspy-report-web.html") {
		t.Errorf("the terminal gets %d bytes: %.300s", len(said), said)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "svcspy-report-web.html")); err != nil || !strings.HasPrefix(string(page), "<!doctype html>") {
		t.Errorf("the file holds %.40q: %v", page, err)
	}
}

// TestMakeSaysThatItBuilds is finding B24: the first make demo says why it takes
// its time, and a later one does not. What builds is replaced.
func TestMakeSaysThatItBuilds(t *testing.T) {
	path, err := exec.LookPath("make")
	if err != nil {
		t.Skip("no make here")
	}
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	builder := filepath.Join(dir, "go")
	for name, text := range map[string]string{
		filepath.Join(dir, "Makefile"): string(makefile),
		builder:                        "#!/bin/sh\nmkdir -p bin && printf '#!/bin/sh\\necho an outage\\n' >bin/svcspy && chmod +x bin/svcspy\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, first := range []bool{true, false} {
		cmd := exec.Command(path, "demo", "GO="+builder)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if said := strings.Contains(string(out), "building bin/svcspy"); err != nil || said != first || !strings.Contains(string(out), "an outage") {
			t.Errorf("make demo, first %v: %v: %s", first, err, out)
		}
	}
}

// TestShellNamesTheClock is finding B25: what counts ages by the clock of this
// machine is said where it will be seen.
func TestShellNamesTheClock(t *testing.T) {
	program := answering(t)
	dir := t.TempDir()
	if code, _, errw := program(dir, []string{"demo", "selector-edited", "-f", "demo.db"}); code != cli.ExitOK {
		t.Fatal(errw)
	}
	t.Setenv("SHELL", "/bin/sh")
	for line, said := range map[string]bool{"true kubectl describe pod x": true, ": kubectl -n shop events": true, ": kubectl get pods": false} {
		code, _, errw := program(dir, []string{"shell", "demo.db", "-c", line})
		if code != cli.ExitOK || strings.Contains(errw, "count ages up to now") != said {
			t.Errorf("shell -c %q: exit code %d, said %v: %s", line, code, said, errw)
		}
	}
}
