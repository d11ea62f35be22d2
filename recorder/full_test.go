package recorder

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// bulky says changes to Pods that do not compress, without end.
func bulky(w http.ResponseWriter, r *http.Request) {
	says(endOfList("1"))(w, r)
	for rv := 2; r.Context().Err() == nil; rv++ {
		object := strings.TrimSuffix(pod(fmt.Sprint("pod-", rv%10), strconv.Itoa(rv)), "}") + `,"spec":{"x":"` + noise(rv, 2000) + `"}}`
		fmt.Fprintln(w, event("MODIFIED", object))
		if rv%10 == 0 {
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	}
}

// noise returns n letters that no compression shortens much.
func noise(seed, n int) string {
	b := make([]byte, n)
	x := uint64(seed)*2862933555777941757 + 3037000493
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = 'a' + byte(x%26)
	}
	return string(b)
}

// TestFull records until the file may not grow or the disk is full: the
// recorder ends with an error that says so, and the file holds everything up to
// a moment, after which it does not claim to have listened.
func TestFull(t *testing.T) {
	const small = 6 << 20 // more than one commit
	for _, tt := range []struct {
		name    string
		dir     func(t *testing.T) string
		options []store.Option
		want    error
		sealed  bool
	}{
		{"size limit", (*testing.T).TempDir, []store.Option{store.MaxSize(small)}, store.ErrFull, true},
		{"disk", func(t *testing.T) string { return smallDisk(t, small) }, nil, syscall.ENOSPC, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, map[string][]step{podsPath: {bulky}})
			path := filepath.Join(tt.dir(t), "full.db")
			w, err := store.Create(path, store.Header{Start: time.Now()}, tt.options...)
			if err != nil {
				t.Fatal(err)
			}
			err = Run(t.Context(), Options{Config: s.config(), Profile: Minimal, Sink: w, limits: &quick})
			if !errors.Is(err, tt.want) {
				t.Fatalf("Run = %v, want %v", err, tt.want)
			}
			switch _, err := w.Seal(time.Now()); {
			case err != nil && tt.sealed:
				t.Fatal(err)
			case err != nil && !errors.Is(err, tt.want):
				t.Fatalf("Seal = %v, want %v", err, tt.want)
			}

			r, err := store.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			info := r.Info()
			if tt.sealed && !info.Closed {
				t.Error("not sealed")
			}
			n, next := 0, 2
			var last time.Time
			for e, err := range r.Events(1, info.Last) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Type != watch.Modified {
					continue
				}
				if e.ResourceVersion != strconv.Itoa(next) {
					t.Fatalf("#%d is resourceVersion %s, want %d", e.Seq, e.ResourceVersion, next)
				}
				n, next, last = n+1, next+1, e.Time
			}
			if n < 100 {
				t.Errorf("only %d events fit", n)
			}
			c, err := r.Coverage(podKind, "", info.Last)
			if err != nil {
				t.Fatal(err)
			}
			if info.Closed && (c.Status != store.Gap || c.Reason != store.Stopped || c.Time.After(last)) {
				t.Errorf("after the last event, at %v, the ledger says %+v", last, c)
			}
		})
	}
}
