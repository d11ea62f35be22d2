package when

import (
	"strings"
	"time"
)

// offset reads "-5m" and "+90s".
func (p reading) offset() (Instant, error) {
	d, ok := parseOffset(p.text)
	if !ok {
		return Instant{}, p.unreadable(durationProblem(p.text[1:]))
	}
	if !p.Cursor.IsZero() {
		return Instant{Time: p.Cursor.Add(d)}, nil
	}
	if p.text[0] == '-' {
		return p.fromEnd(d)
	}
	from := p.From
	if from.IsZero() {
		from = p.Start
	}
	return Instant{Time: from.Add(d)}, nil
}

// ago reads the "3m" of "3m ago", and the "2 minutes" of "2 minutes ago".
func (p reading) ago(length []string) (Instant, error) {
	text := strings.Join(length, "")
	if n := len(length); n == 2 {
		text = length[0] + unitOf(length[1])
	}
	d, ok := parseDuration(text)
	if !ok {
		return Instant{}, p.unreadable(durationProblem(text))
	}
	return p.fromEnd(-d)
}

// fromEnd counts d, which is not positive, from the end of what there is.
func (p reading) fromEnd(d time.Duration) (Instant, error) {
	if !p.Live {
		return Instant{Time: p.End.Add(d)}, nil
	}
	now, err := p.clock()
	return Instant{Time: now.Add(d)}, err
}

// now reads "now" and "now-5m".
func (p reading) now() (Instant, error) {
	offset := strings.TrimPrefix(p.text, "now")
	d, ok := parseOffset(offset)
	switch {
	case offset != "" && !ok:
		return Instant{}, p.unreadable("")
	case !p.Live:
		e := p.outside("it has ended, now is")
		e.Hint = "end" + offset + " counts from the end of the recording"
		return Instant{}, e
	case offset == "":
		return Instant{Time: p.End}, nil
	}
	now, err := p.clock()
	return Instant{Time: now.Add(d)}, err
}

// clock returns the time at which the text is read.
func (p reading) clock() (time.Time, error) {
	if p.Now.IsZero() {
		return time.Time{}, p.unreadable("the current time is not known here")
	}
	return p.Now.Round(0), nil // instants of a recording have no monotonic part
}

// parseOffset reads a duration behind a sign.
func parseOffset(text string) (time.Duration, bool) {
	if text == "" || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	d, ok := parseDuration(text[1:])
	if text[0] == '-' {
		d = -d
	}
	return d, ok
}

// parseDuration reads a duration without a sign.
func parseDuration(text string) (time.Duration, bool) {
	if text == "" || !isDigit(text[0]) {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// unitOf returns the unit that a word names, the word itself if it is none.
func unitOf(word string) string {
	switch strings.TrimSuffix(word, "s") {
	case "hour", "hr":
		return "h"
	case "minute", "min":
		return "m"
	case "second", "sec":
		return "s"
	}
	return word
}

// durationProblem says why text is not a duration.
func durationProblem(text string) string {
	if strings.HasSuffix(text, "d") || strings.HasSuffix(text, "w") {
		return "not all days have 24 hours, write hours"
	}
	return "a length of time is written 90s, 5m, 1h30m"
}
