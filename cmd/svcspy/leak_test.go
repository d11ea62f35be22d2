package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// TestShareLeavesNoLeak shares what still has something in it that looks like a
// secret, in the name of the context, which policy standard keeps: nothing is
// left, neither the recording nor the page, unless it is forced, and the secret is
// never shown.
func TestShareLeavesNoLeak(t *testing.T) {
	const secret = "ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"
	dir := t.TempDir()
	file := filepath.Join(dir, "file.db")
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	w, err := store.Create(file, store.Header{ID: "leaky", Start: start, Cluster: store.Cluster{Context: secret}})
	if err != nil {
		t.Fatal(err)
	}
	object := []byte(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"5"}}`)
	if _, err := w.Append(store.Event{Time: start, Type: watch.Added, Resource: replay.Services, Namespace: "shop", Name: "web", UID: "u", Object: object}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	share := func(want int, words ...string) {
		t.Helper()
		var out, errw bytes.Buffer
		args := append([]string{"svcspy", "share", file, filepath.Join(dir, "out.db"), "--report", filepath.Join(dir, "out.md")}, words...)
		if code := run(args, nil, &out, &errw); code != want {
			t.Errorf("%s: exit code %d, want %d\n%s%s", words, code, want, &out, &errw)
		}
		if strings.Contains(out.String()+errw.String(), secret) {
			t.Errorf("%s: the secret is shown:\n%s%s", words, &out, &errw)
		}
		if said := errw.String(); want == cli.ExitTrue && (!strings.Contains(said, "out.db: 1 secret stands in the clear") || strings.Contains(said, "unscanned")) {
			t.Errorf("%s: said\n%s", words, said)
		}
	}
	left := func() string {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, " ")
	}
	share(cli.ExitTrue)
	if got := left(); got != "file.db" {
		t.Errorf("left behind: %s", got)
	}
	share(cli.ExitTrue, "--force")
	if got := left(); got != "file.db out.db out.md" {
		t.Errorf("forced, there is %s", got)
	}
}
