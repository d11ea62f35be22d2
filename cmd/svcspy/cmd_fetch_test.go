package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/files"
	"github.com/svcspy/svcspy/recorder/alert"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// fleet stores the first demo as two segments of the cluster prod, in a folder.
func fleet(t *testing.T, m *matrix) (folder string, info store.Info) {
	t.Helper()
	m.demo("whole.db")
	whole, err := store.Open("whole.db")
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	info = whole.Info()
	// What was recorded by the middle is a recording that ends there.
	if code, _, errs := m.run("cut FILE half.db --until start+40s", "whole.db", ""); code != 0 {
		t.Fatal(errs)
	}
	half, err := store.Open("half.db")
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	spool, folder := t.TempDir(), t.TempDir()
	b, err := bucket.OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	fired := alert.Alert{Source: alert.Alertmanager, Fingerprint: "f1", Name: "ShopDown", Namespace: "shop", Service: "web", Labels: map[string]string{"severity": "critical"}, Start: info.Start.Add(33 * time.Second)}
	for _, part := range []struct {
		of     *store.Recording
		after  segment.Chain
		alerts segment.Alerts // the agent was told when the first segment was cut already
	}{
		{of: half},
		{whole, segment.Chain{Run: info.Run(), Last: half.Info().Last, Digest: half.Info().SHA256}, segment.Alerts{
			Marks: []store.Mark{{Time: fired.Start, Written: info.End, Author: fired.Source, Text: fired.Words()}}, All: []alert.Alert{fired},
		}},
	} {
		s, _, err := segment.Cut(t.Context(), part.of, segment.Order{Dir: spool, Cluster: "prod", Cause: "Time", After: part.after, Services: 10, Alerts: part.alerts})
		if err != nil {
			t.Fatal(err)
		}
		if err := segment.Upload(t.Context(), b, spool, &s); err != nil {
			t.Fatal(err)
		}
	}
	return folder, info
}

// TestFetch lists a bucket and fetches from it, an hour after the outage. What was
// fetched is what was recorded.
func TestFetch(t *testing.T) {
	schemas, err := filepath.Abs(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	m := newMatrix(t)
	folder, info := fleet(t, m)
	at := func(d time.Duration) string { return info.Start.Add(d).UTC().Format(time.RFC3339) }
	call := func(words ...string) (string, error) {
		t.Helper()
		var out, errs bytes.Buffer
		a := &cli.App{In: strings.NewReader(""), Out: &out, Err: &errs, Name: cli.Program, Color: "never", ZoneName: "UTC", Now: func() time.Time { return info.End.Add(time.Hour) }}
		cmd := files.ListCommand(a)
		if words[0] == "fetch" {
			cmd = files.FetchCommand(a)
		}
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(words[1:])
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"ls", folder}, "prod     2026-11-23"},
		{[]string{"ls", "file://" + folder}, "prod "},
		{[]string{"ls", folder, "--at", at(10 * time.Second)}, "complete  -            -"},
		{[]string{"ls", folder, "--at", at(35 * time.Second)}, "shop/web NotServing (selector-edited)  ShopDown shop/web"},
		{[]string{"ls", folder}, "ShopDown shop/web"},
		{[]string{"ls", folder, "--at", at(-time.Hour)}, "not recorded"},
		{[]string{"ls", folder, "-o", "json", "--at", at(35 * time.Second)}, `"state": "NotServing"`},
		{[]string{"ls", folder, "-o", "yaml"}, "since: \"2026-11-23\""},
	} {
		out, err := call(c.words...)
		if slices.Contains(c.words, "-o") && err == nil {
			_, err = newChecker(schemas).check([]byte(out), c.words[3])
		}
		if err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%q: %v, want %q:\n%s", c.words, err, c.want, out)
		}
	}
	out, err := call("fetch", filepath.Join(folder, "prod"), "--since", at(0), "--until", "+2m", "-f", "fetched.db")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out, "fetched.db\n") {
		t.Errorf("fetch says %q", out)
	}
	_, want, _ := m.run("explain FILE svc/web", "whole.db", "")
	code, got, errs := m.run("explain FILE svc/web", "fetched.db", "")
	if code != 0 || got != want {
		t.Errorf("explain of what was fetched: %s\n%s\nwant\n%s", errs, got, want)
	}
	if code, marks, errs := m.run("mark FILE", "fetched.db", ""); code != 0 || !strings.Contains(marks, `alert ShopDown fires since 2026-11-24T00:00:09Z: Service shop/web; labels severity="critical"; Alertmanager fingerprint f1`) {
		t.Errorf("marks: %s\n%s", errs, marks)
	}
	if code, _, errs := m.run("verify FILE", "fetched.db", ""); code != 0 {
		t.Errorf("verify: %s", errs)
	}
	for _, words := range [][]string{
		{"ls", "gs://x"},
		{"ls", folder, "--at", "garbage"},
		{"ls", filepath.Join(folder, "nowhere")},
		{"ls", t.TempDir()},
		{"fetch", filepath.Join(folder, "other"), "--since", at(0), "-f", "x.db"},
		{"fetch", filepath.Join(folder, "prod"), "--since", at(-time.Hour), "--until", "+1m", "-f", "x.db"},
		{"fetch", filepath.Join(folder, "prod"), "--since", at(time.Minute), "--until", at(0), "-f", "x.db"},
		{"fetch", folder, "--since", at(0)},
	} {
		if out, err := call(words...); err == nil {
			t.Errorf("%q succeeded:\n%s", words, out)
		}
	}
}

// TestFetchRefusesDamage changes, cuts and swaps what a bucket holds: nothing of it
// becomes a recording.
func TestFetchRefusesDamage(t *testing.T) {
	m := newMatrix(t)
	folder, info := fleet(t, m)
	b, err := bucket.OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	found, err := segment.Find(t.Context(), b, "prod", info.Start, info.End)
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	path, mark := filepath.Join(folder, found[0].Recording.Key), filepath.Join(folder, found[0].Commit.Key)
	data, err1 := os.ReadFile(path)
	other, err2 := os.ReadFile(filepath.Join(folder, found[1].Commit.Key))
	own, err3 := os.ReadFile(mark)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	flipped := bytes.Clone(data)
	flipped[len(flipped)/2] ^= 1
	var summary map[string]any
	if err := json.Unmarshal(own, &summary); err != nil {
		t.Fatal(err)
	}
	summary["services"] = []any{map[string]any{"namespace": "shop", "name": "web"}}
	empty, err := json.Marshal(summary)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ recording, mark []byte }{
		"half":               {data[:len(data)/2], own},
		"changed":            {flipped, own},
		"empty":              {nil, own},
		"mark of another":    {data, other},
		"mark is no JSON":    {data, []byte("{")},
		"mark without words": {data, empty},
	} {
		if err := os.WriteFile(path, c.recording, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(mark, c.mark, 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := segment.Find(t.Context(), b, "prod", info.Start, info.Start)
		if err != nil || len(found) != 1 {
			t.Fatal(name, found, err)
		}
		dir := t.TempDir()
		if path, _, err := found[0].Fetch(t.Context(), b, dir); err == nil {
			t.Errorf("%s: fetched %s", name, path)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	if found, err := segment.Find(t.Context(), b, "prod", info.Start, info.Start); err != nil || len(found) != 0 {
		t.Errorf("a segment without its mark: %v, %v", found, err)
	}
}
