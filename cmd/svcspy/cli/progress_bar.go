package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/svcspy/svcspy/store"
)

// Bar shows how far a computation is that takes long, on a terminal only.
type Bar struct {
	*App
	what  string
	began time.Time // when the computation did
	last  time.Time // when it was last shown
	open  bool
}

// unnoticed is how long nobody wonders.
const unnoticed = 300 * time.Millisecond

func (a *App) Counter(what string) *Bar { return &Bar{App: a, what: what, began: a.Now()} }

func (c *Bar) Show(done, total int) {
	now := c.Now()
	if c.Quiet || now.Sub(c.began) < unnoticed || now.Sub(c.last) < 100*time.Millisecond || !IsTerminal(c.Err) {
		return
	}
	c.last, c.open = now, true
	const width = 30
	full := min(max(done, 0)*width/max(total, 1), width)
	line := fmt.Sprintf("[%s%s] %d of %d %s", strings.Repeat("#", full), strings.Repeat(" ", width-full), done, total, c.what)
	fmt.Fprintf(c.Err, "\r\x1b[K%s", CutTo(line, TerminalWidth(c.Err)-1))
}

func (c *Bar) End() {
	if c.open {
		fmt.Fprint(c.Err, "\r\x1b[K")
		c.open = false
	}
}

// walkedRecording is a recording that shows how far it is walked through: whoever follows
// the verdicts on one subject goes from instant to instant.
type walkedRecording struct {
	*store.Recording
	bar        *Bar
	start, end time.Time
	furthest   time.Time
}

// Walk returns the recording to be walked through, and what ends the bar.
func (a *App) Walk(r *store.Recording) (*walkedRecording, func()) {
	info := r.Info()
	w := &walkedRecording{Recording: r, bar: a.Counter("seconds of the recording"), start: info.Start, end: info.End}
	return w, w.bar.End
}

// Causes begins anew: the verdicts are known, now it is asked how it came to them.
func (w *walkedRecording) Causes() {
	w.furthest, w.bar.what = w.start, "seconds of the recording, for causes"
}

// SeqAt is that of the recording.
func (w *walkedRecording) SeqAt(t time.Time) (store.Seq, error) {
	if t.After(w.furthest) && !t.After(w.end) {
		w.furthest = t
	}
	w.bar.Show(int(w.furthest.Sub(w.start).Seconds()), int(w.end.Sub(w.start).Seconds()))
	return w.Recording.SeqAt(t)
}

// TerminalWidth is how many columns a line has; 80 if that is not known.
func TerminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// CutTo shortens a line so that it does not wrap: a wrapped line cannot be
// rewritten.
func CutTo(line string, width int) string {
	runes := []rune(line)
	if len(runes) <= width || width < 1 {
		return line
	}
	return string(runes[:width-1]) + "…"
}
