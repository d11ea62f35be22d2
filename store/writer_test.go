package store

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store/block"
)

func TestCreate(t *testing.T) {
	w, path := create(t, Header{Start: start})
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Fatalf("mode %v: %v", st.Mode(), err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if _, err := Create(path, Header{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a recording: %v, want ErrExist", err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the refused Create changed the file")
	}
	if _, err := w.Append(Event{Type: Relist}); !errors.Is(err, ErrClosed) {
		t.Errorf("append after Abort: %v, want ErrClosed", err)
	}
	if err := w.Commit(start); !errors.Is(err, ErrClosed) {
		t.Errorf("commit after Abort: %v, want ErrClosed", err)
	}
	if _, err := w.Seal(start); !errors.Is(err, ErrClosed) {
		t.Errorf("seal after Abort: %v, want ErrClosed", err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(filepath.Join(dir, "x"), Header{}); os.Geteuid() != 0 && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("create in a read-only directory: %v, want ErrPermission", err)
	}
	if _, err := Create(filepath.Join(dir, "none", "x"), Header{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("create in no directory: %v, want ErrNotExist", err)
	}
}

// TestWhatIsKept: everything besides the events comes back, from the sealed file
// and from its compacted copy.
func TestWhatIsKept(t *testing.T) {
	resources := []metav1.APIResource{{Version: "v1", Name: "pods", Kind: "Pod", Namespaced: true, Verbs: []string{"list"}}}
	header := Header{
		ID: "id", Recorder: "v1", Start: start, Cluster: Cluster{UID: "u", Version: "v1.36.0"},
		Scope: Scope{Profile: "full", Namespaces: []string{"a"}}, Redaction: Redaction{Policy: "standard", Version: 1}, Resources: resources,
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "test")
	w, err := Create(path, header, SignWith(private))
	if err != nil {
		t.Fatal(err)
	}
	mem := NewMemory(header)
	clocks := []Clock{{Time: start.Add(time.Second), Monotonic: time.Second, ServerDate: start}, {Time: start, Monotonic: 2 * time.Second}}
	more := append(resources, metav1.APIResource{Group: "apps", Version: "v1", Name: "deployments"})
	for _, s := range []interface {
		sink
		Clock(Clock) error
	}{w, mem} {
		for _, c := range clocks {
			if err := s.Clock(c); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Append(numbered(1)); err != nil {
			t.Fatal(err)
		}
		if err := s.Describe(more); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(numbered(2)); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(start.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	info, err := w.Seal(start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mem.Seal(start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	want := mem.Info()
	want.SHA256 = info.SHA256
	marks := []Mark{{Time: start, Written: start.Add(time.Hour), Author: "me", Text: "here it broke"}, {Time: start, Text: "no, here"}}
	for _, m := range marks {
		if err := AddMark(path, m); err != nil {
			t.Fatal(err)
		}
	}
	check := func(path string, signer ed25519.PublicKey) {
		t.Helper()
		v, err := Verify(path)
		if err != nil || len(v.Damage) > 0 {
			t.Fatalf("verify: %v, %v", v.Damage, err)
		}
		if !signer.Equal(v.Signer) && len(signer)+len(v.Signer) > 0 {
			t.Errorf("signed by %x, want %x", v.Signer, signer)
		}
		r := open(t, path)
		got := r.Info()
		want.SHA256 = got.SHA256
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("info (-want +got):\n%s", d)
		}
		if d := cmp.Diff(mem.Kinds(), r.Kinds()); d != "" {
			t.Errorf("kinds (-want +got):\n%s", d)
		}
		gotClocks, err := r.Clocks()
		if d := cmp.Diff(clocks, gotClocks); err != nil || d != "" {
			t.Errorf("clocks: %v (-want +got):\n%s", err, d)
		}
		gotMarks, err := r.Marks()
		if d := cmp.Diff(marks, gotMarks); err != nil || d != "" {
			t.Errorf("marks: %v (-want +got):\n%s", err, d)
		}
	}
	check(path, public)
	copied := filepath.Join(t.TempDir(), "copy")
	if _, err := Compact(path, copied); err != nil {
		t.Fatal(err)
	}
	check(copied, nil)
	if _, err := Compact(path, copied); !errors.Is(err, fs.ErrExist) {
		t.Errorf("compact over a file: %v, want ErrExist", err)
	}
}

// TestCompactInterrupted: a file that was not sealed keeps being known as such.
func TestCompactInterrupted(t *testing.T) {
	w, path := create(t, Header{Start: start})
	for n := 1; n <= 500; n++ {
		if _, err := w.Append(numbered(n)); err != nil {
			t.Fatal(err)
		}
		if n%10 == 0 {
			if err := w.Commit(numbered(n).Time); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(t.TempDir(), "compact")
	info, err := Compact(path, dst)
	if err != nil || info.Closed || info.SHA256 == "" || info.Last != 500 {
		t.Fatalf("compact: %+v, %v", info, err)
	}
	if got := checkNumbered(t, dst, 500); !cmp.Equal(info, got) {
		t.Errorf("info (-want +got):\n%s", cmp.Diff(info, got))
	}
	if v, err := Verify(dst); err != nil || len(v.Damage) > 0 {
		t.Errorf("verify: %v, %v", v.Damage, err)
	}
	if before, after := sizeOf(t, path), sizeOf(t, dst); after >= before/2 {
		t.Errorf("compacted %d bytes to %d", before, after)
	}
}

// TestMaxSize: a commit over the limit fails and loses nothing, and the end
// still fits.
func TestMaxSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test")
	w, err := Create(path, Header{Start: start}, MaxSize(256<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	checkFull(t, w, ErrFull)
	checkNumbered(t, path, 1)
	if v, err := Verify(path); err != nil || len(v.Damage) > 0 || !v.Info.Closed {
		t.Fatalf("verify: %+v, %v", v, err)
	}
}

// TestMaxSizeOfDiscovery: it is the limit too if a discovery document exceeds it.
func TestMaxSizeOfDiscovery(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "test"), Header{Start: start}, MaxSize(256<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	noise := make([]byte, 512<<10)
	rand.NewChaCha8([32]byte{}).Read(noise)
	if err := w.Describe([]metav1.APIResource{{Name: hex.EncodeToString(noise)}}); !errors.Is(err, ErrFull) {
		t.Errorf("Describe = %v, want %v", err, ErrFull)
	}
	if _, err := w.Seal(start); err != nil {
		t.Error(err)
	}
}

// checkFull appends until a commit fails as wanted, and seals.
func checkFull(t *testing.T, w *Writer, want error) {
	t.Helper()
	for n := 1; ; n++ {
		e := numbered(n)
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		if n%50 != 0 {
			continue
		}
		if err := w.Commit(e.Time); err != nil {
			if !errors.Is(err, want) {
				t.Fatalf("commit: %v, want %v", err, want)
			}
			info, err := w.Seal(e.Time)
			if err != nil || info.Last != Seq(n) {
				t.Fatalf("seal: %+v, %v; %d events were appended", info, err, n)
			}
			return
		}
		if n > 1<<20 {
			t.Fatal("there is no limit")
		}
	}
}

// TestFullDisk fills a small file system: what was acknowledged is there, and
// when there is room again the rest can be committed.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := mountTmpfs(dir, "size=512k"); err != nil {
		t.Skipf("needs a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unmount(dir) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "test")
	w, err := Create(path, Header{Start: start})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	acknowledged, n := 0, 0
	for {
		n++
		if _, err := w.Append(numbered(n)); err != nil {
			t.Fatal(err)
		}
		if n%50 != 0 {
			continue
		}
		if err := w.Commit(numbered(n).Time); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("commit: %v, want ENOSPC", err)
			}
			break
		}
		acknowledged = n
	}
	checkNumbered(t, path, acknowledged)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(numbered(n).Time); err != nil {
		t.Fatalf("commit with room again: %v", err)
	}
	checkNumbered(t, path, n)
	if _, err := w.Seal(numbered(n).Time); err != nil {
		t.Fatalf("seal: %v", err)
	}
	checkNumbered(t, path, n)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTooLarge(t *testing.T) {
	w, _ := create(t, Header{Start: start})
	e := numbered(1)
	e.Object = make([]byte, block.MaxObject+1)
	if _, err := w.Append(e); !errors.Is(err, ErrTooLarge) {
		t.Errorf("append: %v, want ErrTooLarge", err)
	}
	if _, err := w.Append(Event{Type: "NEW"}); err == nil || !strings.Contains(err.Error(), "NEW") {
		t.Errorf("append of an unknown type: %v", err)
	}
}
