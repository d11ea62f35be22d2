package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// evidence lays what was collected of one outage into a folder.
func evidence(t *testing.T, names map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for from, to := range names {
		data, err := os.ReadFile(filepath.Join("..", "..", "recorder", "importer", "testdata", from)) // an import unpacks what is packed
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestImport: what can be imported together is, and the rest is refused with a
// hint, never left out silently.
func TestImport(t *testing.T) {
	dir := evidence(t, map[string]string{
		"selector-edited.db": "recorded.db", "selector-edited.audit.jsonl.zst": "audit.log", "quota-exceeded.audit.jsonl.zst": "other.log",
		"selector-edited.dump.json.zst": "dump.json", "selector-edited.etcd.db.zst": "snapshot.db.zst",
	})
	program := answering(t)
	packed, err := os.ReadFile(filepath.Join(dir, "snapshot.db.zst"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	snapshot, err := z.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cut.db"), snapshot[:len(snapshot)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	policy := "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: None, users: ['system:kube-controller-manager']}\n- {level: RequestResponse}\n"
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args string
		code int
		want string // in what it prints
	}{
		{"recorded.db audit.log -f who.db", cli.ExitOK, "wrote a version that was recorded"},
		{"recorded.db audit.log --explain", cli.ExitOK, "requests about the recording"},
		{"recorded.db dump.json -f a.db", cli.ExitError, "a recording takes an audit log only"},
		{"recorded.db other.log -f a.db", cli.ExitError, "makes a recording of its own"},
		{"recorded.db -f a.db", cli.ExitUsage, "name an audit log"},
		{"recorded.db recorded.db audit.log -f a.db", cli.ExitUsage, "one recording"},
		{"recorded.db audit.log --as snapshot -f a.db", cli.ExitUsage, "has no meaning"},
		{"audit.log --policy policy.yaml --explain", cli.ExitOK, "the audit policy leaves out writes: its rule 1 leaves out some"},
		{"audit.log --policy audit.log --explain", cli.ExitError, "--audit-policy-file"},
		{"cut.db -f a.db", cli.ExitError, "save it again"},
		{"snapshot.db.zst --explain", cli.ExitOK, "every write to etcd from its last compaction"},
		{"snapshot.db.zst -f etcd.db", cli.ExitOK, "from etcd"},
		{"snapshot.db.zst dump.json -f a.db", cli.ExitError, "by itself"},
		{"etcd.db audit.log -f both.db", cli.ExitOK, "wrote a version that was recorded"},
		{"dump.json -f dump.db", cli.ExitOK, "(0s), from snapshot"},
	} {
		code, out, errw := program(dir, append([]string{"import"}, strings.Fields(test.args)...))
		if text := out + errw; code != test.code || !strings.Contains(text, test.want) {
			t.Errorf("import %s exits with %d, want %d and %q:\n%s", test.args, code, test.code, test.want, text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "a.db")); err == nil {
		t.Error("what was refused left a file")
	}
	// What lasts no time at all is judged once, by every command.
	for args, want := range map[string]string{
		"replay dump.db svc/web -n shop": "Serving", "timeline dump.db svc/web -n shop": "Serving", "timeline dump.db --all": "2 of 2 Services",
		"explain dump.db svc/web -n shop": "no outage", "report dump.db svc/web -n shop": "Serving", "changes -f dump.db": "",
	} {
		if code, out, errw := program(dir, strings.Fields(args)); code != cli.ExitOK || !strings.Contains(out+errw, want) {
			t.Errorf("%s exits with %d, want %q:\n%s%s", args, code, want, out, errw)
		}
	}
	for _, file := range []string{"who.db", "both.db"} {
		code, out, errw := program(dir, []string{"changes", file, "svc/web", "-n", "shop"})
		if code != cli.ExitOK || !strings.Contains(out, "/spec/selector/tier") || !strings.Contains(out, "admin from 127.0.0.1") {
			t.Errorf("changes of %s exits with %d and names nobody:\n%s%s", file, code, out, errw)
		}
	}
}
