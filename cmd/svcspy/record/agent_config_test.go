package record

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// TestAgentConfig: what a file says is what the flags of those names would say; a flag
// of the command line wins, and what is no flag is an error that says which.
func TestAgentConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	configured := func(file string, words ...string) (*pflag.FlagSet, error) {
		t.Helper()
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := AgentCommand(&cli.App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Name: cli.Program, Now: time.Now})
		if err := cmd.Flags().Parse(words); err != nil {
			t.Fatal(err)
		}
		return cmd.Flags(), configure(cmd.Flags(), path)
	}
	flags, err := configured("to: s3://outages/svcspy\nlisten: :9090\nevery: 5m\nservices: 1000000\nall-namespaces: true\nspool: 3Gi\n", "--every", "10m", "--services=7")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"to": "s3://outages/svcspy", "listen": ":9090", "every": "10m0s", "services": "7", "all-namespaces": "true", "spool": "3Gi", "profile": "standard"} {
		if got := flags.Lookup(name).Value.String(); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if flags, err = configured("services: 1000000\n"); err != nil || flags.Lookup("services").Value.String() != "1000000" {
		t.Errorf("a large number: %v, %v", flags.Lookup("services").Value, err)
	}
	for file, want := range map[string]string{
		"too: x\n":               `"too" is not a flag of agent`,
		"a: 1\nb: 2\n":           `"a" is not a flag of agent`,
		"to: [a]\n":              `"to" has a list or a map as its value`,
		"to: {a: b}\n":           `"to" has a list or a map as its value`,
		"to:\n":                  `"to" has no value`,
		"config: x\n":            `"config" is not a flag of agent`,
		"every: soon\n":          `invalid argument "soon"`,
		"to: a\nto: b\n":         "already set",
		"- to\n":                 "read ",
		"to: \"a\n":              "read ",
		strings.Repeat("#", 300): "",
	} {
		_, err := configured(file)
		var said bytes.Buffer
		if err != nil {
			said.WriteString(err.Error())
		}
		if (want == "") != (err == nil) || !strings.Contains(said.String(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
		if err != nil && cli.ExitCode(err) != 2 {
			t.Errorf("%q: exit code %d", file, cli.ExitCode(err))
		}
	}
}

// TestSecret: a file in the folder wins over the environment; a file that is empty is
// an error, not no secret.
func TestSecret(t *testing.T) {
	dir := t.TempDir()
	o := &agentOptions{secrets: dir}
	t.Setenv("SVCSPY_ALERT_TOKEN", "from-environment")
	if got, err := o.secret(alertToken); err != nil || got != "from-environment" {
		t.Error(got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, alertToken), []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := o.secret(alertToken); err != nil || got != "from-file" {
		t.Error(got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, grafanaToken), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := o.secret(grafanaToken); err == nil {
		t.Errorf("an empty file: %q", got)
	}
	if got, err := o.secret(notifyURL); err != nil || got != "" {
		t.Error(got, err)
	}
}
