package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/svcspy/svcspy/store"
)

// counter shows how far a computation is that takes long, on a terminal only.
type counter struct {
	*app
	what  string
	began time.Time // when the computation did
	last  time.Time // when it was last shown
	open  bool
}

// unnoticed is how long nobody wonders.
const unnoticed = 300 * time.Millisecond

func (a *app) counter(what string) *counter { return &counter{app: a, what: what, began: a.now()} }

func (c *counter) show(done, total int) {
	now := c.now()
	if c.quiet || now.Sub(c.began) < unnoticed || now.Sub(c.last) < 100*time.Millisecond || !isTerminal(c.err) {
		return
	}
	c.last, c.open = now, true
	const width = 30
	full := min(max(done, 0)*width/max(total, 1), width)
	line := fmt.Sprintf("[%s%s] %d of %d %s", strings.Repeat("#", full), strings.Repeat(" ", width-full), done, total, c.what)
	fmt.Fprintf(c.err, "\r\x1b[K%s", cutTo(line, terminalWidth(c.err)-1))
}

func (c *counter) end() {
	if c.open {
		fmt.Fprint(c.err, "\r\x1b[K")
		c.open = false
	}
}

// walked is a recording that shows how far it is walked through: whoever follows
// the verdicts on one subject goes from instant to instant.
type walked struct {
	*store.Recording
	bar        *counter
	start, end time.Time
	furthest   time.Time
}

// walk returns the recording to be walked through, and what ends the bar.
func (a *app) walk(r *store.Recording) (*walked, func()) {
	info := r.Info()
	w := &walked{Recording: r, bar: a.counter("seconds of the recording"), start: info.Start, end: info.End}
	return w, w.bar.end
}

// causes begins anew: the verdicts are known, now it is asked how it came to them.
func (w *walked) causes() {
	w.furthest, w.bar.what = w.start, "seconds of the recording, for causes"
}

// SeqAt is that of the recording.
func (w *walked) SeqAt(t time.Time) (store.Seq, error) {
	if t.After(w.furthest) && !t.After(w.end) {
		w.furthest = t
	}
	w.bar.show(int(w.furthest.Sub(w.start).Seconds()), int(w.end.Sub(w.start).Seconds()))
	return w.Recording.SeqAt(t)
}
