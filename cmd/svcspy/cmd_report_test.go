package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/postmortem"
)

// Every command that a report gives runs, and answers about the same thing.
func TestReportCommands(t *testing.T) {
	incidents, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "incidents"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TZ", "UTC")
	t.Chdir(t.TempDir())
	svcspy := func(args ...string) (out string, code int) {
		var stdout, stderr bytes.Buffer
		code = run(append([]string{"svcspy"}, args...), strings.NewReader(""), &stdout, &stderr)
		return stdout.String() + stderr.String(), code
	}
	for incident, subject := range map[string]string{"selector-edited": "svc/web", "node-loss": "node/n2", "bad-image-rollout": "deploy/web", "statefulset-blocked": ""} {
		file := incident + ".db"
		data, err := os.ReadFile(filepath.Join(incidents, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"report", file, "-o", "json"}
		if subject != "" {
			args = append(args, subject)
		}
		out, code := svcspy(args...)
		var p postmortem.Postmortem
		if err := json.Unmarshal([]byte(out), &p); err != nil || code != cli.ExitOK {
			t.Fatalf("%s: exit %d: %v", incident, code, err)
		}
		if len(p.Commands) < 8 {
			t.Errorf("%s: only %d commands", incident, len(p.Commands))
		}
		for _, c := range p.Commands {
			if strings.Contains(c.Run, " shell ") {
				continue // asks kubectl
			}
			words := strings.Fields(strings.ReplaceAll(c.Run, "'", ""))
			out, code := svcspy(words[1:]...)
			if different := words[1] == "diff" && code == 1; code != cli.ExitOK && !different {
				t.Errorf("%s: %s: exit %d: %s", incident, c.Run, code, out)
			}
		}
		if again, _ := svcspy(args...); again != out {
			t.Errorf("%s: the same report twice is not the same", incident)
		}
		for _, r := range p.Rows {
			if r.Seq > 0 && r.Kind != "past" && r.Time.Sub(p.Window.From) > 0 {
				if out, code := svcspy("replay", file, "--at", fmt.Sprintf("#%d", r.Seq), "--once"); code != cli.ExitOK || out == "" {
					t.Errorf("%s: #%d does not resolve: exit %d: %s", incident, r.Seq, code, out)
				}
				break // TimeOf is tried for all by the package itself
			}
		}
	}
}
