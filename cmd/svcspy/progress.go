package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// progress shows how the recording goes: one line that is rewritten on a
// terminal, a line each ten seconds elsewhere.
type progress struct {
	*app
	w        io.Writer
	terminal bool
	start    time.Time
	last     time.Time
	open     bool // a line on the terminal waits to be ended
}

func newProgress(a *app, start time.Time) *progress {
	return &progress{app: a, w: a.err, terminal: isTerminal(a.err), start: start, last: start}
}

func (p *progress) show(now recorder.Progress) {
	if p.quiet {
		return
	}
	t := p.now()
	if !p.terminal && t.Sub(p.last) < 10*time.Second {
		return
	}
	p.last = t
	line := fmt.Sprintf("%s  %d events  %.0f/s  %s  %s", report.Duration(t.Sub(p.start)), now.Events, now.Rate, report.Bytes(int64(now.Bytes)), streamWords(now.Streams))
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", report.Clean(line))
		p.open = true
		return
	}
	fmt.Fprintln(p.w, report.Clean(line))
}

func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}

// listening says that every list is complete: from now on nothing is missed.
func (p *progress) listening() {
	p.end()
	p.note("listening")
}

// streamWords counts streams by how they are, and names those that are not
// live, the first few.
func streamWords(streams []recorder.Stream) string {
	count := map[store.Status]int{}
	var named []string
	for _, s := range streams {
		count[s.Status]++
		if s.Status == store.Gap {
			named = append(named, resourceName(s.Resource.Resource, s.Resource.Group)+": "+s.Reason)
		}
	}
	var words []string
	for _, k := range []struct {
		status store.Status
		word   string
	}{{store.Current, "live"}, {store.Listing, "listing"}, {store.Gap, "interrupted"}, {store.Forbidden, "forbidden"}} {
		if n := count[k.status]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, k.word))
		}
	}
	line := strings.Join(words, ", ")
	if len(named) > 0 {
		line += " (" + strings.Join(named[:min(len(named), 2)], "; ") + ")"
	}
	return line
}
