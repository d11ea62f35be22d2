package main

import (
	"bytes"
	"cmp"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/store/bucket"
)

// storage serves the files of a folder by ranges, as S3 and as a web server do.
type storage struct {
	*httptest.Server
	requests atomic.Int64
	// wrong is what happens to a request instead, if it returns true.
	wrong atomic.Pointer[func(w http.ResponseWriter, r *http.Request, n int64) bool]
}

func newStorage(t *testing.T, dir string) *storage {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	s := &storage{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.requests.Add(1)
		if wrong := s.wrong.Load(); wrong != nil && (*wrong)(w, r, n) {
			return
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.Base(r.URL.Path)))
		if err != nil {
			http.Error(w, "none", http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(data))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *storage) s3(name string) string { return "s3://outages/" + name + "?endpoint=" + s.URL }

// TestRemote asks every command about an object: it answers as of the file.
func TestRemote(t *testing.T) {
	m := newMatrix(t)
	m.demo("demo.db")
	s := newStorage(t, m.dir)
	changing := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}`)
	for i, name := range []string{s.s3("demo.db"), s.URL + "/demo.db?X-Signature=hidden", "file://" + filepath.Join(m.dir, "demo.db")} {
		plain := func(text string) string {
			for _, n := range []string{command.Quote(name), name, command.Quote(bucket.PublicAddress(name)), bucket.PublicAddress(name)} {
				text = strings.ReplaceAll(text, n, "demo.db")
			}
			return outName.ReplaceAllString(changing.ReplaceAllString(text, ""), "out")
		}
		for _, line := range []string{"events FILE", "get FILE pods", "info FILE", "timeline FILE SUBJECT", "report FILE SUBJECT -o md", "changes SUBJECT -f FILE", "verify FILE", "cut FILE OUT", "mark FILE", "scan FILE"}[:10-4*i] {
			code, want, _ := m.run(line, "demo.db", "svc/web")
			got, out, errs := m.run(line, name, "svc/web")
			if diff := gocmp.Diff(plain(want), plain(out)); diff != "" || got != code {
				t.Errorf("svcspy %s of %s: exit code %d, of the file %d; %s\n%s", line, name, got, code, errs, diff)
			}
		}
	}
	for _, line := range []string{"compact FILE OUT", "mark FILE note", "keep FILE"} {
		if code, _, errs := m.run(line, s.s3("demo.db"), ""); code != cli.ExitUsage || !strings.Contains(errs, "svcspy cut ADDRESS OUT") {
			t.Errorf("svcspy %s: exit code %d, %s", line, code, errs)
		}
	}
	for _, line := range []string{"info FILE", "verify FILE", "report FILE svc/web -o json"} { // what is handed on
		if code, out, errs := m.run(line, s.URL+"/demo.db?X-Signature=hidden", ""); code != 0 || strings.Contains(out+errs, "hidden") {
			t.Errorf("svcspy %s: exit code %d, or the signature of the address is in it: %s", line, code, errs)
		}
	}
	if code, out, errs := m.run("FILE", s.s3("demo.db"), ""); code != 0 || !strings.Contains(out, "shop/web") {
		t.Errorf("svcspy ADDRESS: %d\n%s%s", code, out, errs)
	}
}

// TestRemoteFails reads objects that are not there, not ours, not whole or not the
// same any more: one error, a hint, a code.
func TestRemoteFails(t *testing.T) {
	m := newMatrix(t)
	data := m.demo("demo.db")
	if err := os.WriteFile("text.db", []byte(strings.Repeat("just some text\n", 10000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("half.db", data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("empty.db", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStorage(t, m.dir)
	away := httptest.NewServer(nil)
	away.Close()
	status := func(code int) func(http.ResponseWriter, *http.Request, int64) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int64) bool { w.WriteHeader(code); return true }
	}
	for _, c := range []struct {
		name  string
		line  string
		wrong func(http.ResponseWriter, *http.Request, int64) bool
		code  int
		want  string
	}{
		{name: s.s3("nowhere.db"), code: 1, want: "does not exist.*hint: check the bucket"},
		{name: s.URL + "/nowhere.db", code: 1, want: "does not exist.*hint: check the address"},
		{name: s.s3("demo.db"), wrong: status(403), code: 1, want: "permission denied.*s3:GetObject"},
		{name: s.URL + "/demo.db?sig=hidden", wrong: status(403), code: 1, want: "permission denied.*expired"},
		{name: s.URL + "/demo.db", wrong: status(400), code: 1, want: "answered 400"},
		{name: s.URL + "/text.db", code: 1, want: "not a recording"},
		{name: s.s3("text.db"), code: 1, want: "not a recording"},
		{name: s.URL + "/empty.db", code: 1, want: "not a recording"},
		{name: s.URL + "/half.db", code: 3, want: "^$", line: "verify FILE"},
		{name: s.s3("half.db"), code: 2, want: "is damaged"},
		{name: s.URL + "/demo.db", wrong: func(w http.ResponseWriter, r *http.Request, _ int64) bool {
			r.Header.Del("Range")
			return false
		}, code: 1, want: "does not serve ranges.*download"},
		{name: s.s3("demo.db"), wrong: func(w http.ResponseWriter, r *http.Request, n int64) bool {
			if n > 1 {
				w.Header().Set("ETag", `"two"`)
				http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(data))
			}
			return n > 1
		}, code: 1, want: "replaced while it was read.*again"},
		{name: "s3://outages", code: 2, want: "s3://BUCKET/KEY"},
		{name: "s3://outages/", code: 2, want: "s3://BUCKET/KEY"},
		{name: "s3://u:p@b/x.db", code: 2, want: "it names no bucket"},
		{name: "https:///x", code: 2, want: "s3://BUCKET/KEY"},
	} {
		s.requests.Store(0)
		s.wrong.Store(nil)
		if c.wrong != nil {
			s.wrong.Store(&c.wrong)
		}
		code, out, errs := m.run(cmp.Or(c.line, "timeline FILE svc/web"), c.name, "")
		flat := strings.ReplaceAll(errs, "\n", " ")
		if code != c.code || !regexp.MustCompile(c.want).MatchString(flat) || strings.Contains(errs, "hidden") || strings.Contains(errs, "API server") {
			t.Errorf("%s: exit code %d, want %d and %q\n%s", c.name, code, c.code, c.want, errs)
		}
		if c.code < 3 && !strings.Contains(c.name, "half") && (out != "" || !oneError.MatchString(errs)) {
			t.Errorf("%s: printed %q, %q", c.name, out, errs)
		}
	}
	s.wrong.Store(nil)
	var all sync.WaitGroup
	for _, name := range []string{away.URL + "/demo.db?sig=hidden", "s3://outages/demo.db?endpoint=" + away.URL} { // they try for seconds
		all.Go(func() {
			var out, errs bytes.Buffer
			code := run([]string{cli.Program, "report", name, "svc/web"}, strings.NewReader(""), &out, &errs)
			if code != 1 || out.Len() > 0 || !strings.Contains(errs.String(), "AWS_ENDPOINT_URL") || strings.Contains(errs.String(), "hidden") || strings.Contains(errs.String(), "API server") {
				t.Errorf("%s: exit code %d\n%s", name, code, errs.String())
			}
		})
	}
	all.Wait()
}
