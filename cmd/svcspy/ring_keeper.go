package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// flight is the Sink of a flight recorder: a ring that goes on for days. When
// something is to be kept, nothing is dropped until what follows has been heard
// too; then the window is saved as a recording of its own beside the ring, and
// dropping goes on.
type flight struct {
	*store.Writer
	named func(time.Time) string // the path of what is kept at a time
	after time.Duration          // how much of what follows is kept
	now   func() time.Time
	most  int // how many recordings lie beside the ring before conditions keep no more; 0: any number
	say   func(format string, args ...any)
	warn  func(format string, args ...any)

	mu     sync.Mutex
	kept   *kept    // what is being kept; nil if nothing is
	made   []string // what was kept
	unkept int      // how often a condition was not, because of most
	saving sync.WaitGroup
}

// kept is a window that is to outlive the ring.
type kept struct {
	path  string
	begun time.Time
	until time.Time // what is heard until then belongs to it
	busy  bool      // it is being saved
	saved bool
}

// beside returns the path of a recording beside another, named after the
// context and a time: the first such that there is none yet.
func beside(path, contextName string, t time.Time) string {
	base := filepath.Join(filepath.Dir(path), "svcspy-"+fileName(contextName)+"-"+t.UTC().Format("20060102T150405Z"))
	free := base + ".db"
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s-%d.db", base, n)
	}
}

// keep asks for the window and what follows, and returns the file it will be
// in. What is asked for while one is being kept is part of that, which lasts longer.
func (f *flight) keep(why string) (path string, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begin(why)
}

// keepIfRoom is keep for a condition, which may become true any number of times:
// what was kept first is the evidence, and a disk is not filled by what flaps.
// Recordings that were taken elsewhere make room.
func (f *flight) keepIfRoom(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made = slices.DeleteFunc(f.made, func(path string) bool {
		_, err := os.Lstat(path)
		return errors.Is(err, fs.ErrNotExist)
	})
	there := len(f.made)
	if f.kept != nil && f.kept.busy {
		there++
	}
	if f.most > 0 && there >= f.most && !f.keeping() {
		f.unkept++
		f.warn("NOT KEPT: %s; %d recordings lie beside the ring already, as many as --keep-max allows: move some elsewhere, and the next is kept (`svcspy keep` keeps one all the same)", report.Clean(why), there)
		return
	}
	if f.keeping() { // no longer than twice as long: what flaps for ever would hold the ring for ever
		f.prolong(why, f.kept.begun.Add(2*f.after))
		return
	}
	f.begin(why)
}

// keeping reports whether a window is open to what follows.
func (f *flight) keeping() bool { return f.kept != nil && !f.kept.busy && !f.kept.saved }

func (f *flight) begin(why string) (path string, until time.Time) {
	now := f.now()
	if f.keeping() {
		return f.prolong(why, now.Add(f.after))
	}
	k := &kept{path: f.named(now), begun: now, until: now.Add(f.after)}
	f.kept = k
	f.say("keeping what the ring holds, and what follows until %s, in %s: %s", replay.FormatInstant(k.until.Truncate(time.Second)), report.Clean(k.path), report.Clean(why))
	return k.path, k.until
}

// prolong keeps what follows this too, but not what is later than latest.
func (f *flight) prolong(why string, latest time.Time) (path string, until time.Time) {
	k := f.kept
	if until = f.now().Add(f.after); until.After(latest) {
		until = latest
	}
	if until.After(k.until) {
		k.until = until
	}
	f.say("this is kept too, and what follows until %s, in %s: %s", replay.FormatInstant(k.until.Truncate(time.Second)), report.Clean(k.path), report.Clean(why))
	return k.path, k.until
}

// Commit commits, and holds, saves and releases the window. It runs in the
// recorder's goroutine, as all that changes the Writer.
func (f *flight) Commit(now time.Time) error {
	k := f.turn()
	if err := f.Writer.Commit(now); err != nil || k == nil {
		return err
	}
	f.mu.Lock()
	over := !now.Before(k.until)
	k.busy = over
	f.mu.Unlock()
	if !over {
		return nil
	}
	f.saving.Go(func() {
		if err := f.save(k); err != nil {
			f.warn("%s; nothing is dropped, and it is tried again in %s", report.Clean(err.Error()), report.Duration(f.after))
		}
	})
	return nil
}

// turn holds or releases the window, and returns what is to be saved when its
// time has come; nil if nothing is kept, or it is being saved.
func (f *flight) turn() *kept {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch k := f.kept; {
	case k == nil:
		f.Release()
		return nil
	case k.saved:
		f.kept = nil
		f.Release()
		return nil
	case k.busy:
		return nil
	default:
		f.Hold()
		return k
	}
}

// save writes what is kept to its file. After an error it is tried again later.
func (f *flight) save(k *kept) error {
	info, err := f.Save(k.path, string(uuid.NewUUID()))
	f.mu.Lock()
	defer f.mu.Unlock()
	k.busy = false
	if err != nil {
		err = fmt.Errorf("keep %s: %w", k.path, err)
		now := f.now()
		k.path, k.begun, k.until = f.named(now), now, now.Add(f.after)
		return err
	}
	k.saved = true
	f.made = append(f.made, k.path)
	f.say("kept %s: %s to %s, %d events, sha256 %s", report.Clean(k.path), replay.FormatInstant(info.Start), replay.FormatInstant(info.End), info.Events, info.SHA256)
	return nil
}

// finish saves what is being kept, although not all that follows was heard. The
// recorder must have ended.
func (f *flight) finish() error {
	f.saving.Wait()
	if k := f.kept; k != nil && !k.saved {
		return f.save(k)
	}
	return nil
}
