package record

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// progress shows how the recording goes: one line that is rewritten on a
// terminal, a line of key=value pairs each ten seconds elsewhere. It may be used
// by several goroutines.
type progress struct {
	*cli.App
	w        io.Writer
	terminal bool
	width    func() int // of the terminal
	start    time.Time
	// verdicts returns the verdicts to show; nil if none are followed.
	verdicts func() []flight.Verdict

	mu   sync.Mutex
	last time.Time
	open bool // a line on the terminal waits to be ended
}

func newProgress(a *cli.App, start time.Time) *progress {
	return &progress{App: a, w: a.Err, terminal: cli.IsTerminal(a.Err), width: func() int { return cli.TerminalWidth(a.Err) }, start: start, last: start}
}

// lineEvery is how often a line is printed off a terminal.
const lineEvery = 10 * time.Second

// teller returns what to tell of the progress, and what shows the newest of it
// until ctx is done. Who tells does not wait: a terminal that is held must not
// hold the recorder.
func (p *progress) teller() (tell func(recorder.Progress), run func(context.Context)) {
	newest := make(chan recorder.Progress, 1)
	tell = func(now recorder.Progress) {
		select {
		case <-newest:
		default:
		}
		newest <- now // there is room: nobody else tells
	}
	run = func(ctx context.Context) {
		for {
			select {
			case now := <-newest:
				p.show(now)
			case <-ctx.Done():
				return
			}
		}
	}
	return tell, run
}

func (p *progress) show(now recorder.Progress) {
	if p.Quiet {
		return
	}
	t := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.terminal {
		if t.Sub(p.last) >= lineEvery {
			p.last = t
			fmt.Fprintln(p.w, p.pairs(now, t.Sub(p.start)))
		}
		return
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", cli.CutTo(p.words(now, t.Sub(p.start)), p.width()-1))
	p.open = true
}

// words is the progress for people, what matters most first: the end may not
// fit.
func (p *progress) words(now recorder.Progress, elapsed time.Duration) string {
	parts := []string{report.Duration(elapsed)}
	named := map[string]int{}
	for _, s := range p.followed() {
		named[shortSubject(s.Subject)]++
	}
	for _, s := range p.followed() {
		name := shortSubject(s.Subject)
		if named[name] > 1 { // a Service and its Deployment, say
			name = report.Clean(flight.SubjectName(s.Subject))
		}
		parts = append(parts, fmt.Sprintf("%s %s", name, s.State))
	}
	parts = append(parts, streamWords(now.Streams), fmt.Sprintf("%d events", now.Events),
		fmt.Sprintf("%.0f/s", now.Rate), report.Bytes(int64(now.Bytes)))
	return report.Clean(strings.Join(parts, "  "))
}

// pairs is the progress for programs: key=value, always the same keys in the
// same order, then one for each subject that is followed.
func (p *progress) pairs(now recorder.Progress, elapsed time.Duration) string {
	count := map[store.Status]int{}
	for _, s := range now.Streams {
		count[s.Status]++
	}
	line := fmt.Sprintf("progress elapsed=%ds events=%d rate=%.1f bytes=%d live=%d listing=%d lagging=%d forbidden=%d",
		int(elapsed.Seconds()), now.Events, now.Rate, now.Bytes,
		count[store.Current]+count[store.Partial], count[store.Listing], count[store.Gap], count[store.Forbidden])
	for _, s := range p.followed() {
		line += fmt.Sprintf(" %s=%s", report.Clean(flight.SubjectName(s.Subject)), s.State)
	}
	if named := lagging(now.Streams); len(named) > 0 {
		line += " why=" + strconv.Quote(strings.Join(named, "; "))
	}
	return report.Clean(line)
}

// followed returns the verdicts there are.
func (p *progress) followed() []flight.Verdict {
	var known []flight.Verdict
	if p.verdicts != nil {
		for _, s := range p.verdicts() {
			if s.State != "" {
				known = append(known, s)
			}
		}
	}
	return known
}

// say prints a remark on a line of its own.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close()
	p.Note("%s", report.Clean(fmt.Sprintf(format, args...)))
}

// warn is say for what is no note.
func (p *progress) warn(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close()
	p.App.Warn("%s", report.Clean(fmt.Sprintf(format, args...)))
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close()
}

func (p *progress) close() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}

// streamWords counts streams by how they are, and names those that lag, the
// first few.
func streamWords(streams []recorder.Stream) string {
	count := map[store.Status]int{}
	for _, s := range streams {
		count[s.Status]++
	}
	var words []string
	for _, k := range []struct {
		status store.Status
		word   string
	}{{store.Current, "live"}, {store.Partial, "live in part"}, {store.Listing, "listing"}, {store.Gap, "lagging"}, {store.Forbidden, "forbidden"}} {
		if n := count[k.status]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, k.word))
		}
	}
	line := strings.Join(words, ", ")
	if named := lagging(streams); len(named) > 0 {
		line += " (" + strings.Join(named, "; ") + ")"
	}
	return line
}

// lagging names streams that are interrupted, with the reason, at most two.
func lagging(streams []recorder.Stream) []string {
	var named []string
	for _, s := range streams {
		if s.Status == store.Gap && len(named) < 2 {
			named = append(named, recorder.Target{Resource: s.Resource, Namespace: s.Namespace}.String()+": "+s.Reason)
		}
	}
	return named
}

// shortSubject is a subject where space is short: "shop/web".
func shortSubject(ref store.Ref) string {
	if ref.Namespace == "" {
		return report.Clean(ref.Name)
	}
	return report.Clean(ref.Namespace + "/" + ref.Name)
}
