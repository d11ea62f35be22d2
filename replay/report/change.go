package report

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
)

// maxValue is how many characters of a value text shows; JSON has all.
const maxValue = 80

// change prints one change on one line: when, its event, what, who, and how
// firmly it is tied to what it explains.
func (p *printer) change(c *change.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", p.clock(c.ObservedAt), p.paint(faint, fmt.Sprintf("#%d", c.Seq)), what(p, c))
	if n := c.Others(); n > 0 {
		fmt.Fprintf(&b, " and %d more %s", n, phrase.Plural(n, "field"))
	}
	if n := len(c.With); n > 0 {
		fmt.Fprintf(&b, ", with %d more (#%d)", n, c.With[0])
	}
	b.WriteString(by(c))
	if !c.Earliest.IsZero() {
		fmt.Fprintf(&b, ", at some time after %s: nobody was listening", p.clock(c.Earliest))
	}
	if c.Link != "" {
		b.WriteString("  " + p.paint(bold, string(c.Link)))
		if c.Note != "" {
			b.WriteString(": " + Clean(c.Note))
		}
	}
	return b.String()
}

func what(p *printer, c *change.Change) string {
	subject := c.Subject.Kind + " " + path(c.Subject)
	switch c.Verb {
	case change.Created, change.Deleted:
		return subject + " " + string(c.Verb)
	case change.Deleting:
		return subject + ": its deletion was asked for"
	}
	return subject + " " + p.field(&change.Field{Path: c.Path, Old: c.Old, New: c.New})
}

// ChangeBrief says on one line when a change was, who made it and what it did.
func ChangeBrief(c *change.Change, at time.Time, o Options) string {
	p := &printer{o: o, at: at}
	brief := *c
	brief.Path = longPath().ReplaceAllString(c.Path, "")
	return fmt.Sprintf("%s %s: %s %s", p.clock(c.ObservedAt), writer(c), what(p, &brief), p.event(c.Seq))
}

// longPath is the part of a path that says nothing where there is little room.
var longPath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^/spec/(template/spec/)?((initC|c)ontainers\[name=[^\]]*\]/)?`)
})

// field prints what happened at a path.
func (p *printer) field(f *change.Field) string {
	at := Clean(f.Path)
	switch {
	case f.Old == nil:
		return at + " added: " + Value(f.New)
	case f.New == nil:
		return at + " removed: " + Value(f.Old)
	}
	return fmt.Sprintf("%s %s %s %s", at, Value(f.Old), p.arrow(), Value(f.New))
}

// Value prints a value on one line and not too long.
func Value(v any) string { return ShortValue(v, maxValue) }

// ShortValue prints so many characters of a value, on one line.
func ShortValue(v any, most int) string {
	text, is := v.(string)
	if !is {
		data, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		text = string(data)
	}
	if text == "" {
		return `""`
	}
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "..."
	}
	return Clean(text)
}

func by(c *change.Change) string {
	who := ""
	if c.Requester != nil {
		who = Clean(c.Requester.String())
	}
	w := c.Writer
	switch {
	case w != nil && w.Subresource != "" && w.Subresource != "status":
		return " by " + Clean(w.Manager) + " (" + Clean(w.Subresource) + ")" + phrase.Prefixed(", ", who)
	case w != nil:
		return " by " + Clean(w.Manager) + phrase.Prefixed(", ", who)
	case who != "":
		return " by " + who
	case c.Verb == change.Deleted || c.Verb == change.Deleting:
		return ", by whom is not recorded"
	}
	return ", by whom managedFields do not tell"
}

// losses prints how endpoints were lost, those of one class together.
func (p *printer) losses(lost []cause.Loss) []string {
	var lines []string
	for i := 0; i < len(lost); {
		l := &lost[i]
		same := slices.Collect(func(yield func(string) bool) {
			for ; i < len(lost) && lost[i].Class == l.Class && lost[i].Note == l.Note; i++ {
				if !yield(fmt.Sprintf("%s #%d", Clean(lost[i].Pod), lost[i].Seq)) {
					return
				}
			}
		})
		shown := strings.Join(same[:min(len(same), 3)], ", ")
		if n := len(same) - 3; n > 0 {
			shown += fmt.Sprintf(" and %d more", n)
		}
		why := ""
		if l.Note != "" {
			why = ": " + Clean(l.Note)
		}
		lines = append(lines, fmt.Sprintf("%s %d by %s%s (%s)", p.clock(l.At), len(same), LossWords(l.Class), why, shown))
	}
	return lines
}

// LossWords says how an endpoint was lost.
func LossWords(class string) string {
	words := map[string]string{
		"svc": "a change of the Service", "label": "a change of labels", "evict": "eviction", "rollout": "a rollout",
		"scale": "scaling down", "owner-delete": "the end of the owner", "manual": "deletion of the Pod",
		"node": "the node", "unready": "readiness", "exit": "a container that ended", "slice": "a change of the endpoints alone",
	}
	if w, known := words[class]; known {
		return w
	}
	return class
}

// span prints how long something lasted.
func span(from, to time.Time) string { return Lasting(to.Sub(from)) }

// Lasting prints how long something lasted: below ten seconds with a decimal, else
// as Duration does.
func Lasting(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return Duration(d)
}
