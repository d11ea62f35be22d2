package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/files"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// shareFile shares in the way the command does, without the scan.
func shareFile(t *testing.T, r *store.Recording, out, policy string) (*store.Recording, *redact.Share) {
	t.Helper()
	o := &files.ShareOptions{CutOptions: files.CutOptions{Range: cli.Range{Query: &cli.Query{App: &cli.App{Now: time.Now, Out: io.Discard, Err: io.Discard, Quiet: true, ZoneName: "UTC"}}}}, Policy: policy}
	gate, _, err := o.Redacted(context.Background(), r, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	return intact(t, out), gate
}

// courses are the verdicts on every Service, and the headline of each.
func courses(t *testing.T, r *store.Recording) []string {
	t.Helper()
	info := r.Info()
	var lines []string
	for c, err := range verdict.All(t.Context(), r, info.Start, info.End, nil) {
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Segments {
			lines = append(lines, fmt.Sprint(c.Subject.Namespace, "/", c.Subject.Name, " ", when.Format(s.From), " #", s.Seq, " ",
				s.Report.Verdict.State, " ", s.Report.Verdict.Intent, " ", s.Report.Headline.ID, " ", s.Report.Headline.Units, " ", s.Report.Verdict.Certainty))
		}
	}
	return lines
}

// TestShareKeepsTheVerdicts: what is shared tells the same story, under either
// policy.
func TestShareKeepsTheVerdicts(t *testing.T) {
	everyRecording(t, func(t *testing.T, path string, r *store.Recording) {
		if testing.Short() && number(path)%7 != 0 {
			t.Skip("one in seven, with -short")
		}
		want := courses(t, r)
		for _, policy := range redact.SharePolicies {
			shared, _ := shareFile(t, r, filepath.Join(t.TempDir(), policy), policy)
			if d := cmp.Diff(want, courses(t, shared)); d != "" {
				t.Errorf("%s (-original +shared):\n%s", policy, d)
			}
			info := shared.Info()
			if info.Redaction.Shared != policy || !slices.Equal(kindsOf(shared), kindsOf(r)) {
				t.Errorf("%s: redaction %+v, resources %v", policy, info.Redaction, kindsOf(shared))
			}
		}
	})
}

func kindsOf(r *store.Recording) (names []string) {
	for _, k := range r.Kinds() {
		names = append(names, fmt.Sprint(k.Resource.Resource, " ", k.Events))
	}
	return names
}

// planted are objects as somebody makes them, each with secrets in the clear.
var planted = []struct {
	resource schema.GroupVersionResource
	object   string
	secrets  []string
}{
	{
		schema.GroupVersionResource{Version: "v1", Resource: "secrets"},
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"shop","uid":"1"},"data":{"password":"aHVudGVyMi1jYW5hcnk="}}`,
		[]string{"aHVudGVyMi1jYW5hcnk", "hunter2-canary"},
	},
	{
		schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","namespace":"shop","uid":"2","annotations":{"example.com/api-token":"lower-case-canary"}},` +
			`"spec":{"nodeName":"bare-metal-7","containers":[{"name":"web","image":"reg.corp.test/web:1","env":[{"name":"DB_PASSWORD","value":"correct-horse-canary"},{"name":"URL","value":"postgres://app:p4ss-canary@db/x"}],` +
			`"args":["--token=arg-canary","-c","curl -H 'Authorization: Bearer bearer-canary-7' x"]}]},"status":{"podIP":"10.1.2.3","message":"login failed for password=message-canary"}}`,
		[]string{"lower-case-canary", "correct-horse-canary", "p4ss-canary", "arg-canary", "bearer-canary-7", "message-canary"},
	},
	{
		schema.GroupVersionResource{Version: "v1", Resource: "services"},
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop","uid":"3","annotations":{"a":"xoxb-1234567890123-1234567890123-aB3dE5fG7hI9jK1lM3nO5pQ7"}},"spec":{"selector":{"app":"web"},"clusterIP":"10.96.0.7"}}`,
		[]string{"xoxb-1234567890123-1234567890123-aB3dE5fG7hI9jK1lM3nO5pQ7"},
	},
}

// TestShareTakesSecretsOut plants secrets in a recording that was made without
// redaction. That is said wherever it is opened, scan finds each of them, and
// nothing that is shared has one, nor what is printed on the way.
func TestShareTakesSecretsOut(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bare.db")
	start := time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)
	w, err := store.Create(path, store.Header{ID: "bare", Start: start, Redaction: store.Redaction{Policy: "none"}, Resources: []metav1.APIResource{
		{Name: "services", SingularName: "service", Kind: "Service", Version: "v1", Namespaced: true, ShortNames: []string{"svc"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for i, p := range planted {
		var o struct{ Metadata metav1.ObjectMeta }
		if err := json.Unmarshal([]byte(p.object), &o); err != nil {
			t.Fatal(err)
		}
		e := store.Event{Time: start.Add(time.Duration(i) * time.Second), Type: watch.Added, Resource: p.resource, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name, UID: o.Metadata.UID, Object: []byte(p.object)}
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, p.secrets...)
	}
	if _, err := w.Seal(start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	told := ""
	try := func(want int, args ...string) string {
		t.Helper()
		var out, errw bytes.Buffer
		if code := run(append([]string{"svcspy"}, args...), nil, &out, &errw); code != want {
			t.Errorf("%v: exit code %d, want %d\n%s%s", args, code, want, &out, &errw)
		}
		told += out.String() + errw.String()
		return out.String() + errw.String()
	}
	for _, args := range [][]string{{"info", path}, {"replay", path, "svc/web", "--once"}, {"timeline", path, "svc/web"}, {"mark", path}} {
		var out, errw bytes.Buffer
		run(append([]string{"svcspy"}, args...), nil, &out, &errw)
		if !strings.Contains(errw.String(), "recorded with --no-redact") {
			t.Errorf("%v does not say that the recording is not redacted:\n%s", args, &errw)
		}
	}
	found := try(cli.ExitTrue, "scan", path)
	for _, where := range []string{"secrets shop/db /data/password", "pods shop/web-1 /metadata/annotations/example.com/api-token", "/env/0/value", "/env/1/value", "/args/0", "/args/2", "/status/message", "services shop/web /metadata/annotations/a: slack bot token"} {
		if !strings.Contains(found, where) {
			t.Errorf("scan does not name %s:\n%s", where, found)
		}
	}
	for _, policy := range redact.SharePolicies {
		out, page := filepath.Join(dir, policy+".db"), filepath.Join(dir, policy+".html")
		try(cli.ExitOK, "share", path, out, "--policy", policy, "--report", page)
		if got := try(cli.ExitOK, "scan", out); !strings.Contains(got, "nothing that looks like a secret") {
			t.Errorf("%s: %s", policy, got)
		}
		told += try(cli.ExitOK, "events", out, "--objects", "-o", "jsonl")
		html, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		told += string(html)
		raw, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		told += string(raw)
	}
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			t.Errorf("%q was told", secret)
		}
	}
	strict := try(cli.ExitOK, "events", filepath.Join(dir, "strict.db"), "--objects", "-o", "jsonl")
	for _, gone := range []string{"bare-metal-7", "10.1.2.3", "10.96.0.7", "reg.corp.test", `"name":"db"`} {
		if strings.Contains(strict, gone) {
			t.Errorf("strict: %q is in\n%s", gone, strict)
		}
	}
}
