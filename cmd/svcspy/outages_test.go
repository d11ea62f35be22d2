package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// TestOutagesFirst asks recordings of which it is known what was done: the first
// output names what broke, the verdict, the trigger, who, and the recovery.
func TestOutagesFirst(t *testing.T) {
	program := answering(t)
	incidents, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "incidents"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		incident string
		says     []string
		not      []string
	}{
		{"selector-edited", []string{"1 outage,", "shop/web NotServing for 30s", "/spec/selector/tier added: backend", "kubectl-client-side-apply", "recovery  00:00:37", "svcspy explain", "quiet     1 Service: default/kubernetes"}, nil},
		{"bad-image-rollout", []string{"shop/web Degraded for 30s of 40s", "image web:ok1 → web:badtag", "kubectl-set", "recovery  23:59:19"}, nil},
		{"webhook-down", []string{"policy/guard NotServing", "shop/web NotServing", "guard:badtag"}, []string{"does not exist"}},
		{"readiness-flapping", []string{"1 outage,", "shop/web NotServing 4 times"}, nil},
	} {
		file := filepath.Join(incidents, c.incident+".db")
		for _, words := range [][]string{{file}, {"replay", file}} {
			code, out, errw := program(t.TempDir(), append(words, "--tz", "UTC"))
			if code != cli.ExitOK {
				t.Errorf("%v ends with %d: %s", words, code, errw)
			}
			for _, text := range c.says {
				if !strings.Contains(out, text) {
					t.Errorf("%s does not say %q:\n%s", c.incident, text, out)
				}
			}
			for _, text := range c.not {
				if strings.Contains(out, text) {
					t.Errorf("%s says %q:\n%s", c.incident, text, out)
				}
			}
		}
	}
}

// answering runs svcspy in a folder and returns its exit code and both streams.
func answering(t *testing.T) func(dir string, args []string) (code int, out, errw string) {
	t.Setenv("TZ", "UTC")
	return func(dir string, args []string) (int, string, string) {
		t.Chdir(dir)
		var out, errs bytes.Buffer
		code := run(append([]string{"svcspy"}, args...), strings.NewReader(""), &out, &errs)
		return code, out.String(), errs.String()
	}
}

// TestHabits types what users of kubectl type.
func TestHabits(t *testing.T) {
	program := answering(t)
	dir := t.TempDir()
	if code, _, errw := program(dir, []string{"demo", "selector-edited", "-f", "demo.db"}); code != cli.ExitOK {
		t.Fatal(errw)
	}
	recorded, err := os.ReadFile(filepath.Join(dir, "demo.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"empty.db": nil, "half.db": recorded[:len(recorded)/3], "packed.db.gz": {0x1f, 0x8b, 8, 0, 0}, "packed.db.zst": {0x28, 0xb5, 0x2f, 0xfd, 0}} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, c := range map[string]struct {
		code int
		says string // on either stream
	}{
		"describe svc web -n shop":                          {cli.ExitUsage, "unknown command \"describe\""},
		"logs web -c app":                                   {cli.ExitUsage, "containerlogs"},
		"top pods":                                          {cli.ExitUsage, "no usage metrics"},
		"replay demo.db ing/x":                              {cli.ExitError, `never saw ingress "x"`},
		"replay demo.db netpol/x":                           {cli.ExitError, `never saw networkpolicy "x"`},
		"replay demo.db sc/x":                               {cli.ExitError, `never saw storageclass "x"`},
		"replay demo.db svc/shop/web":                       {cli.ExitOK, "NotServing"},
		"replay demo.db svc/kubernetes":                     {cli.ExitOK, "Serving"}, // never unhealthy
		"replay demo.db deploy/web":                         {cli.ExitOK, "Deployment shop/web"},
		"replay demo.db svc/web --at end":                   {cli.ExitOK, "Traffic should flow"},
		"trace demo.db svc/web":                             {cli.ExitOK, "shop/web"},
		"changes demo.db svc/web":                           {cli.ExitOK, "selector"},
		"changes -f demo.db":                                {cli.ExitOK, "kubectl-client-side-apply"},
		"explain demo.db":                                   {cli.ExitOK, "WHAT CHANGED"},
		"bisect demo.db":                                    {cli.ExitOK, "/spec/selector"},
		"diff demo.db":                                      {1, "/spec/selector"},
		"replay demo.db -A":                                 {cli.ExitOK, "shop/web NotServing"},
		"timeline demo.db -A":                               {cli.ExitOK, "shop/web"},
		"replay demo.db":                                    {cli.ExitOK, `undo      kubectl patch service -n shop web -p '{"spec":{"selector":{"tier":null}}}'`},
		"get demo.db svc/web -o jsonpath={.spec.clusterIP}": {cli.ExitOK, "10."},
		"get demo.db pods -n shop -o custom-columns=NAME:.metadata.name,X:.spec.nope": {cli.ExitOK, "<none>"},
		"get demo.db pods -n shop -o go-template={{len_.items}}":                      {cli.ExitUsage, "go-template"},
		"get demo.db pods -n shop -o go-template={{range.items}}{{.kind}}{{end}}":     {cli.ExitOK, "Pod"},
		"get demo.db pods -o custom-columns=NAME":                                     {cli.ExitUsage, "HEADER:PATH"},
		"get demo.db pods -o jsonpath={.items[":                                       {cli.ExitUsage, "jsonpath"},
		"replay empty.db":                                                             {cli.ExitError, "it is empty"},
		"replay half.db":                                                              {cli.ExitError, "it is truncated"},
		"replay packed.db.gz":                                                         {cli.ExitError, "gzip -dk"},
		"replay packed.db.zst":                                                        {cli.ExitError, "zstd -d"},
		"replay demo.db svc/web --kubeconfig x":                                       {cli.ExitUsage, "unknown flag"},
	} {
		code, out, errw := program(dir, slices.Concat(strings.Fields(line), []string{"--tz", "UTC"}))
		if code != c.code || !strings.Contains(out+errw, c.says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s%s", line, code, c.code, c.says, out, errw)
		}
	}
}
