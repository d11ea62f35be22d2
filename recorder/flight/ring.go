package flight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Ring is the Sink of a flight recorder: a window that moves on for days. When
// something is to be saved, nothing is dropped until what follows was recorded
// too; then the window becomes a recording of its own beside the ring, and
// dropping goes on. Commit is called from the recorder's goroutine; all other
// methods may be called concurrently.
type Ring struct {
	*noticeWriter
	// Reserve returns the path of a saved window that begins at a time, and
	// makes sure that nobody else takes it.
	Reserve func(time.Time) (string, error)
	After   time.Duration // how much of what follows is saved
	Most    int           // how many saved windows lie beside the ring before Conditions save no more; 0 is any number
	Now     func() time.Time
	Say     func(format string, args ...any)
	Warn    func(format string, args ...any)

	mu      sync.Mutex
	pending *save    // the window that is to be saved; nil if there is none
	saved   []string // paths of saved windows
	refused int      // how often a Condition saved nothing, because of Most
	saving  sync.WaitGroup
}

// save is a window that is to outlive the ring.
type save struct {
	path     string
	reserved bool
	begun    time.Time
	until    time.Time // what is recorded until then belongs to it
	busy     bool      // it is being written
	done     bool
}

// NewRing returns a Ring over a Writer with a window. Saved windows lie beside
// path, named after the context and the time.
func NewRing(w *store.Writer, path, context string) *Ring {
	return &Ring{
		noticeWriter: &noticeWriter{Writer: w},
		Reserve:      func(t time.Time) (string, error) { return reserve(path, context, t) },
		Now:          time.Now,
		Say:          func(string, ...any) {},
		Warn:         func(string, ...any) {},
	}
}

// Name returns the path of a recording beside another, named after the context
// and a time: the first that does not exist.
func Name(path, context string, t time.Time) string {
	for n := 1; ; n++ {
		if free := nthName(path, context, t, n); !exists(free) {
			return free
		}
	}
}

func nthName(path, context string, t time.Time, n int) string {
	base := filepath.Join(filepath.Dir(path), "svcspy-"+fileName(context)+"-"+t.UTC().Format("20060102T150405Z"))
	if n > 1 {
		base = fmt.Sprintf("%s-%d", base, n)
	}
	return base + ".db"
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// reserve creates the file that Name returns, empty, so that two rings in one
// folder never promise the same name.
func reserve(path, context string, t time.Time) (string, error) {
	for n := 1; ; n++ {
		free := nthName(path, context, t, n)
		f, err := os.OpenFile(free, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return free, err
		}
		return free, f.Close()
	}
}

// fileName makes a context name usable in a file name.
func fileName(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, s)
	if clean = strings.Trim(clean, "-."); clean == "" {
		return "cluster"
	}
	return clean[:min(len(clean), 60)]
}

// Keep asks for the window and what follows, and returns the file it will be
// in. A save in progress absorbs later requests and lasts longer.
func (r *Ring) Keep(why string) (path string, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begin(why)
}

// keepIfRoom is Keep for a Condition, which may become true any number of times:
// the first saves are the evidence, and a flapping Condition must not fill the
// disk. Recordings that were moved elsewhere make room.
func (r *Ring) keepIfRoom(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saved = slices.DeleteFunc(r.saved, func(path string) bool { return !exists(path) })
	there := len(r.saved)
	if r.pending != nil && r.pending.busy {
		there++
	}
	if r.Most > 0 && there >= r.Most && !r.open() {
		r.refused++
		r.note(fmt.Sprintf("NOT KEPT: %s; %d saved recordings, as many as --keep-max allows", why, there))
		r.Warn("NOT KEPT: %s; %d recordings lie beside the ring already, as many as --keep-max allows: move some elsewhere, and the next is kept (`svcspy keep` keeps one all the same)", why, there)
		return
	}
	if r.open() { // at most twice as long: a flapping Condition must not hold the ring for ever
		r.prolong(why, r.pending.begun.Add(2*r.After))
		return
	}
	r.begin(why)
}

// Refused returns how often a Condition saved nothing, because of Most.
func (r *Ring) Refused() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// open reports whether a save takes in what follows.
func (r *Ring) open() bool { return r.pending != nil && !r.pending.busy && !r.pending.done }

func (r *Ring) begin(why string) (path string, until time.Time) {
	now := r.Now()
	if r.open() {
		return r.prolong(why, now.Add(r.After))
	}
	k := &save{begun: now, until: now.Add(r.After)}
	r.name(k, now)
	r.pending = k
	r.Say("keeping what the ring holds, and what follows until %s, in %s: %s", when.Format(k.until.Truncate(time.Second)), k.path, why)
	return k.path, k.until
}

// name reserves a file. Where that fails, writing it is going to fail too, which
// is reported and tried again then.
func (r *Ring) name(k *save, now time.Time) {
	path, err := r.Reserve(now)
	k.path, k.reserved = path, err == nil
}

// prolong lets the save take in what follows this too, but not what is later
// than latest.
func (r *Ring) prolong(why string, latest time.Time) (path string, until time.Time) {
	k := r.pending
	if until = r.Now().Add(r.After); until.After(latest) {
		until = latest
	}
	if until.After(k.until) {
		k.until = until
	}
	r.Say("this is kept too, and what follows until %s, in %s: %s", when.Format(k.until.Truncate(time.Second)), k.path, why)
	return k.path, k.until
}

// Commit commits, and holds, saves and releases the window.
func (r *Ring) Commit(now time.Time) error {
	k := r.turn()
	if err := r.noticeWriter.Commit(now); err != nil || k == nil {
		return err
	}
	r.mu.Lock()
	over := !now.Before(k.until)
	k.busy = over
	r.mu.Unlock()
	if !over {
		return nil
	}
	r.saving.Go(func() {
		if err := r.write(k); err != nil {
			r.Warn("%v; nothing is dropped, and it is tried again in %s", err, r.After)
		}
	})
	return nil
}

// turn holds or releases the window, and returns the save that waits for its
// time; nil if there is none, or it is being written.
func (r *Ring) turn() *save {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch k := r.pending; {
	case k == nil:
		r.Release()
		return nil
	case k.done:
		r.pending = nil
		r.Release()
		return nil
	case k.busy:
		return nil
	default:
		r.Hold()
		return k
	}
}

// write writes the save to its file. After an error it is tried again later,
// under a new name.
func (r *Ring) write(k *save) error {
	info, err := r.saveTo(k)
	r.mu.Lock()
	defer r.mu.Unlock()
	k.busy = false
	if err != nil {
		err = fmt.Errorf("keep %s: %w", k.path, err)
		if k.reserved {
			err = errors.Join(err, os.Remove(k.path))
		}
		now := r.Now()
		k.begun, k.until = now, now.Add(r.After)
		r.name(k, now)
		return err
	}
	k.done = true
	r.saved = append(r.saved, k.path)
	r.Say("kept %s: %s to %s, %d events, sha256 %s", k.path, when.Format(info.Start), when.Format(info.End), info.Events, info.SHA256)
	return nil
}

// saveTo writes the window beside the reserved file and then into its place, so
// that the name holds nothing or all of it. It returns what a reader of the file
// sees.
func (r *Ring) saveTo(k *save) (store.Info, error) {
	part := k.path
	if k.reserved {
		part += ".part"
	}
	if _, err := r.Save(part, string(uuid.NewUUID())); err != nil {
		return store.Info{}, err
	}
	if k.reserved {
		if err := os.Rename(part, k.path); err != nil {
			return store.Info{}, errors.Join(err, os.Remove(part))
		}
	}
	saved, err := store.Open(k.path)
	if err != nil {
		return store.Info{}, err
	}
	return saved.Info(), saved.Close()
}

// finish saves what is to be saved, although not all that follows was recorded.
// The recorder must have ended.
func (r *Ring) finish() error {
	r.saving.Wait()
	if k := r.pending; k != nil && !k.done {
		return r.write(k)
	}
	return nil
}
