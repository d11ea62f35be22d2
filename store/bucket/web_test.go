package bucket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestWebObject reads an object of a web server on a good line and on bad ones.
func TestWebObject(t *testing.T) {
	data := make([]byte, 600_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	// The server's goroutine takes what goes wrong, the test gives it.
	var mu sync.Mutex
	var wrong func(w http.ResponseWriter, r *http.Request) bool
	version := "one"
	set := func(do func(w http.ResponseWriter, r *http.Request) bool, v string) {
		mu.Lock()
		defer mu.Unlock()
		wrong, version = do, v
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		do, etag := wrong, version
		wrong = nil // it happens once
		mu.Unlock()
		if do != nil && do(w, r) {
			return
		}
		w.Header().Set("ETag", `"`+etag+`"`)
		http.ServeContent(w, r, "x.bin", time.Unix(1e9, 0), bytes.NewReader(data))
	}))
	defer server.Close()
	from, size, err := OpenObject(t.Context(), server.URL+"/x?signature=hidden")
	if err != nil || size != int64(len(data)) {
		t.Fatalf("%d bytes, %v", size, err)
	}
	read := func(n, at int) error {
		p := make([]byte, n)
		n, err := from.ReadAt(p, int64(at))
		want := data[at:min(at+n, len(data))]
		if !bytes.Equal(p[:n], want) || n < len(p) && err == nil {
			t.Errorf("%d bytes at %d: %d, %v", len(p), at, n, err)
		}
		return err
	}
	for _, c := range []struct {
		name    string
		wrong   func(w http.ResponseWriter, r *http.Request) bool
		version string
		want    error
	}{
		{name: "good"},
		{name: "overloaded", wrong: func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }},
		{name: "reset", wrong: func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }},
		{name: "cut", wrong: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("ETag", `"one"`)
			w.Header().Set("Last-Modified", time.Unix(1e9, 0).UTC().Format(http.TimeFormat))
			w.Header().Set("Content-Range", "bytes 262144-399999/600000")
			w.Header().Set("Content-Length", "137856")
			w.WriteHeader(206)
			_, _ = w.Write(data[262144:300000])
			panic(http.ErrAbortHandler)
		}},
		{name: "another range", wrong: func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Set("Range", "bytes=7-9"); return false }, want: errors.New("answered")},
		{name: "no range", wrong: func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Del("Range"); return false }, want: ErrNoRanges},
		{name: "gone", wrong: func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(410); return true }, want: fs.ErrNotExist},
		{name: "expired", wrong: func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true }, want: fs.ErrPermission},
		{name: "replaced", version: "two", want: ErrChanged},
	} {
		set(c.wrong, cmp.Or(c.version, "one"))
		p := make([]byte, 140_000)
		n, err := from.ReadAt(p, 260_000)
		switch {
		case c.want == nil && (err != nil || !bytes.Equal(p[:n], data[260_000:400_000])):
			t.Errorf("%s: %d bytes, %v", c.name, n, err)
		case c.want != nil && (err == nil || !errors.Is(err, c.want) && !strings.Contains(err.Error(), c.want.Error()) || strings.Contains(err.Error(), "hidden")):
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	set(nil, "one")
	if err := read(10, 0); err != nil {
		t.Error(err)
	}
	if err := read(100, len(data)-50); err != io.EOF {
		t.Errorf("past the end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := OpenObject(ctx, server.URL+"/x?signature=hidden"); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a context that is over: %v", err)
	}
}

// TestContentRange reads what servers say of a range, good and bad.
func TestContentRange(t *testing.T) {
	if first, last, size, ok := contentRange("bytes 7-9/20"); first != 7 || last != 9 || size != 20 || !ok {
		t.Error(first, last, size, ok)
	}
	for _, text := range []string{"", "bytes", "bytes 9-7/20", "bytes 1-2/*", "bytes */20", "bytes -1-2/20", "bytes 1-2", "items 1-2/3", "bytes 1-99999999999999999999/3"} {
		if _, _, _, ok := contentRange(text); ok {
			t.Errorf("%q is read", text)
		}
	}
}
