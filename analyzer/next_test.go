package analyzer

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/fixtures/hostile"
	"github.com/svcspy/svcspy/store"
)

// inShell lets a real shell read a line that we print, in a folder of its own,
// with kubectl and grep replaced by what prints their arguments. It fails if the
// shell does anything else.
func inShell(t *testing.T, line string) []string {
	t.Helper()
	folder := t.TempDir()
	if !strings.HasPrefix(line, "kubectl ") {
		line = ": " + line // advice, not a command; it is pasted all the same
	}
	sh := exec.Command("sh", "-c", "kubectl() { printf '%s\\0' \"$@\"; }\ngrep() { cat; }\n"+line)
	sh.Dir = folder
	sh.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", line, err, out)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Fatalf("%q: wrote %v: %v", line, left, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// A Service whose name and labels are shell text is named and patched as what
// it is, and nothing of it runs.
func TestHostileNamesInCommands(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh here")
	}
	const name = "web$(touch x)"
	const tier = `"it's \"\u0024(touch y)\" ` + "`touch z`" + `"` // the helper reads $(...) as a time
	service := func(selector string) string {
		return "kind: Service\nmetadata: {name: \"web\\u0024(touch x)\"}\nspec: {clusterIP: 10.96.0.11, selector: " + selector + ", ports: [{name: http, port: 80, protocol: TCP, targetPort: http}]}"
	}
	w := newWorld(t)
	w.apply(time.Second, strings.ReplaceAll(baseline(), "{app: web}", "{app: web, tier: "+tier+"}"))
	w.apply(2*time.Second, service("{app: webb, tier: "+tier+"}"))
	r := Diagnose(w.at(time.Minute), ref[corev1.Service](name), Options{})
	checkReport(t, r)
	want := []string{"patch", "service", "-n", "shop", name, "-p", `{"spec":{"selector":{"app":"web"}}}`}
	if diff := cmp.Diff(want, inShell(t, r.Next[0])); r.Headline.ID != "selector-typo" || diff != "" {
		t.Errorf("%s: %s", r.Headline.ID, diff)
	}

	w.apply(time.Minute+time.Second, service("{app: web, tier: "+tier+"}"))
	w.apply(time.Minute+2*time.Second, service("{app: web, tier: other}"))
	r = Diagnose(w.at(2*time.Minute), ref[corev1.Service](name), Options{})
	want[6] = `{"spec":{"selector":{"tier":"it's \"$(touch y)\" ` + "`touch z`" + `"}}}`
	if diff := cmp.Diff(want, inShell(t, r.Next[0])); diff != "" {
		t.Errorf("%s: %s", r.Headline.ID, diff)
	}
}

// Every command that is printed about recordings of an attacker is read by a
// shell as the arguments it was made of.
func TestEveryCommandIsQuoted(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh here")
	}
	seed := 0
	lines, kubectl := map[string]bool{}, 0
	recorded(t, func(t *testing.T, r *store.Recording, moments []time.Time) {
		seed++
		m, subject, err := hostile.Recording(r, seed)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(moments); i += 3 {
			seq, err := m.SeqAt(moments[i])
			if err != nil {
				t.Fatal(err)
			}
			v := newView(m, seq, moments[i])
			for _, ref := range append(subjects(t, v), subject) {
				for _, line := range allNext(Diagnose(v, ref, Options{})) {
					if lines[line] {
						continue
					}
					lines[line] = true
					args := inShell(t, line)
					if strings.HasPrefix(line, "kubectl") && !strings.Contains(line, " | grep ") {
						kubectl++
						if diff := cmp.Diff(line, command.Kubectl(args...).String()); diff != "" {
							t.Errorf("read otherwise than written: %s", diff)
						}
					}
				}
			}
		}
	})
	t.Logf("%d lines, %d of them compared", len(lines), kubectl)
	if kubectl < 50 {
		t.Errorf("only %d commands were compared", kubectl)
	}
}

// allNext are all lines a report prints under NEXT, of every finding.
func allNext(r Report) []string {
	lines := r.Next
	for _, list := range [][]Finding{r.Because, r.Also, r.Symptoms, r.Risks, r.Hints} {
		for _, f := range list {
			lines = append(lines, f.Next...)
		}
	}
	return lines
}
