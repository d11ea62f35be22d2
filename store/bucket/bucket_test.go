package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func body(text string) *io.SectionReader {
	return io.NewSectionReader(strings.NewReader(text), 0, int64(len(text)))
}

func keys(t *testing.T, b Bucket, l Listing) (keys []string) {
	t.Helper()
	for o, err := range b.List(t.Context(), l) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// TestFolderHoldsWhatWasPut compares a Folder with a map, over any calls.
func TestFolderHoldsWhatWasPut(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		sub, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		f, err := OpenFolder(sub)
		if err != nil {
			t.Fatal(err)
		}
		defer f.root.Close()
		ctx := context.Background()
		model := map[string]string{}
		key := rapid.SampledFrom([]string{"a", "b/a", "b/c", "b.c", "d/e/f"}) // none is the folder of another
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, text, create := key.Draw(t, "key"), rapid.StringN(0, 20, 60).Draw(t, "text"), rapid.Bool().Draw(t, "create")
				err := f.Put(ctx, k, body(text), create)
				if _, there := model[k]; there && create {
					if !errors.Is(err, fs.ErrExist) {
						t.Fatalf("create %s again: %v", k, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				model[k] = text
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if err := f.Delete(ctx, k); err != nil {
					t.Fatal(err)
				}
				delete(model, k)
			},
			"": func(t *rapid.T) {
				prefix := rapid.SampledFrom([]string{"", "b", "b/", "b.", "x", "d/e/f"}).Draw(t, "prefix")
				after := rapid.SampledFrom([]string{"", "b", "b/a"}).Draw(t, "after")
				got := map[string]string{}
				last := ""
				for o, err := range f.List(ctx, Listing{Prefix: prefix, After: after}) {
					if err != nil {
						t.Fatal(err)
					}
					if o.Key <= last {
						t.Fatalf("%s is listed after %s", o.Key, last)
					}
					last = o.Key
					data, err := ReadAll(ctx, f, o, 1000)
					if err != nil {
						t.Fatal(err)
					}
					got[o.Key] = string(data)
				}
				want := map[string]string{}
				for k, v := range model {
					if strings.HasPrefix(k, prefix) && k > after {
						want[k] = v
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("prefix %q after %q: %s", prefix, after, diff)
				}
			},
		})
	})
}

// TestFolderListsFolders lists one level at a time.
func TestFolderListsFolders(t *testing.T) {
	f, err := OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"one/2026-11-30/a.db", "one/2026-11-30/b.db", "one/2026-12-01/a.db", "two.x/2026-11-30/a.db", "top"} {
		if err := f.Put(t.Context(), k, body("x"), false); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		l    Listing
		want []string
	}{
		{Listing{Folders: true}, []string{"one/", "top", "two.x/"}},
		{Listing{Folders: true, After: "one/"}, []string{"top", "two.x/"}},
		{Listing{Prefix: "one/", Folders: true}, []string{"one/2026-11-30/", "one/2026-12-01/"}},
		{Listing{Prefix: "one/2026-11-30/", Folders: true}, []string{"one/2026-11-30/a.db", "one/2026-11-30/b.db"}},
		{Listing{Prefix: "one/2026-12"}, []string{"one/2026-12-01/a.db"}},
		{Listing{Prefix: "none/"}, nil},
	} {
		if diff := cmp.Diff(c.want, keys(t, f, c.l)); diff != "" {
			t.Errorf("%+v: %s", c.l, diff)
		}
	}
}

// TestFolderStaysInside gives a Folder keys and links that lead out of it.
func TestFolderStaysInside(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "in")
	if err := errors.Join(os.Mkdir(inside, 0o700), os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600), os.Symlink(dir, filepath.Join(inside, "link"))); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFolder(inside)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", ".", "..", "../secret", "/etc/passwd", "a//b", "a/../../secret", "link/secret", "a/"} {
		if o, err := f.Stat(t.Context(), key); err == nil {
			t.Errorf("Stat(%q) = %+v", key, o)
		}
		if err := f.Put(t.Context(), key, body("x"), false); err == nil {
			t.Errorf("Put(%q) wrote", key)
		}
		if err := f.Delete(t.Context(), key); err == nil {
			t.Errorf("Delete(%q) found nothing wrong", key)
		}
	}
	if got := keys(t, f, Listing{}); got != nil {
		t.Errorf("listed %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "secret")); err != nil {
		t.Error(err)
	}
}

// TestFolderFirstWins creates one object from many goroutines: one succeeds.
func TestFolderFirstWins(t *testing.T) {
	f, err := OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = f.Put(context.Background(), "a/b", body(strings.Repeat("x", i+1)), true) })
	}
	all.Wait()
	won := slices.Index(errs, nil)
	for i, err := range errs {
		if i != won && !errors.Is(err, fs.ErrExist) {
			t.Errorf("goroutine %d: %v", i, err)
		}
	}
	o, err := f.Stat(t.Context(), "a/b")
	if err != nil || o.Size != int64(won+1) {
		t.Errorf("%d won, and the object is %+v, %v", won, o, err)
	}
	if err := f.Put(t.Context(), "a/b", body("other"), false); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAll(t.Context(), f, o, 10); !errors.Is(err, ErrChanged) {
		t.Errorf("an object that was replaced: %v", err)
	}
}

// TestAddresses reads addresses, good and bad.
func TestAddresses(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	for address, want := range map[string]string{
		"s3://b":                         "b|||https://s3.amazonaws.com",
		"s3://b/p/q/":                    "b|p/q/||https://s3.amazonaws.com",
		"s3://b/p?region=eu-west-1":      "b|p/|eu-west-1|https://s3.amazonaws.com",
		"s3://b?endpoint=http://h:9000/": "b||us-east-1|http://h:9000/",
	} {
		a, err := parseS3(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got := strings.Join([]string{a.bucket, a.prefix, a.region, a.endpoint.String()}, "|"); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	for _, address := range []string{
		"", "s3://", "s3:///p", "s3://b/../c", "s3://b//c", "s3://u:p@b", "s3://b?key=x", "s3://b?endpoint=ftp://h", "s3://b?endpoint=h", "s3://b?endpoint=http://h/path", "s3://b\x00",
		"gs://b", "file://host/x", "file:", "file:///tmp?x=1",
	} {
		if b, err := Open(address); err == nil || !errors.Is(err, ErrAddress) {
			t.Errorf("Open(%q) = %v, %v", address, b, err)
		}
	}
	for _, c := range []struct{ address, bucket, key string }{
		{"s3://b/k.db", "s3://b", "k.db"},
		{"s3://b/c/d/k.db", "s3://b/c/d", "k.db"},
		{"s3://b/c/k.db?region=x", "s3://b/c?region=x", "k.db"},
	} {
		if bucket, key, err := Split(c.address); bucket != c.bucket || key != c.key || err != nil {
			t.Errorf("Split(%q) = %q, %q, %v", c.address, bucket, key, err)
		}
	}
	for _, address := range []string{"s3://b", "s3://b/", "s3://b/c/", "s3://b/../k", "x/y"} {
		if _, _, err := Split(address); err == nil {
			t.Errorf("Split(%q) found an object", address)
		}
	}
}

// silent is a store that takes requests and never answers.
func silent(t *testing.T) string {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	return server.URL
}

// TestS3GivesUp asks a store that never answers: every method returns.
func TestS3GivesUp(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	a, err := parseS3("s3://outages?endpoint=" + silent(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.open(20 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	calls := map[string]func() error{
		"put":    func() error { return s.Put(ctx, "a", body("x"), true) },
		"read":   func() error { _, err := s.ReadAt(ctx, Object{Key: "a", Size: 3}, make([]byte, 3), 0); return err },
		"stat":   func() error { _, err := s.Stat(ctx, "a"); return err },
		"delete": func() error { return s.Delete(ctx, "a") },
	}
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() {
			if call() == nil {
				t.Errorf("%s succeeded", name)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		t.Error("they were waited for until the caller gave up")
	}
}
