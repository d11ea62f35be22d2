// Package when reads the times that people type: 14:02, -5m, @mark, #281,
// verdict:2, incident.
//
// Parse reads a text against a Range, which says what the timeline holds and
// where anchors lie, and returns an Instant. Format writes an instant so that
// Parse reads it back.
package when

import (
	"fmt"
	"strings"
	"time"

	"github.com/svcspy/svcspy/store"
)

// The time grammar, one for every flag, prompt and link. Which rule applies is
// decided by how the text begins, so no text fits two of them:
//
//	when     = offset | (duration | number " " unit) " ago" | "now" [offset] | calendar | anchor [offset]
//	calendar = [ date ("T" | " ") | ("today" | "yesterday") " " ] clock [[" "] zone]
//	date     = YYYY-MM-DD
//	clock    = h[h]:mm[:ss[("." | ",") fraction]] [[" "] ("am" | "pm")] | h[h] [" "] ("am" | "pm")
//	zone     = "Z" | ("+" | "-") hh[[":"] mm] | IANA name, such as Europe/Berlin
//	anchor   = "start" | "end" | "incident" | "verdict:" number | percentage "%"
//	         | "#" seq | "rv:" resourceVersion | "@" unix seconds["." fraction] | "@" mark
//	offset   = ("+" | "-") duration
//	duration = as Go's, without a sign: 90s, 1h30m, 1.5h
//	unit     = "hours" | "hrs" | "minutes" | "mins" | "seconds" | "secs", or without the s
//
// A fraction has one to nine digits. Keywords are lower case; am, pm, T and Z
// may be either; after am and pm a named zone needs its space. Runs of spaces
// count as one, but not in the name of a mark.
// A mark whose whole name reads like a mark and an offset, deploy-5m, is that
// mark; one that is named like a number of seconds cannot be reached.

// Range is what a time is read against.
type Range struct {
	Start, End time.Time // of the recording, both inside it

	// Live says that the recording still grows. Then "now" is its End, and
	// "ago", negative offsets and "now-5m" count from Now. Otherwise they count
	// from End, and "now" is an error, for it is long past the recording.
	Live bool
	// Now is the clock of the viewer. Only "today", "yesterday" and live
	// recordings need it; without it they are an error.
	Now time.Time
	// Zone is used when the text names none. Nil is UTC.
	Zone *time.Location
	// Cursor, unless zero, is what offsets without an anchor count from.
	// Otherwise negative ones count from the end and positive ones from From.
	Cursor time.Time
	// From is where the stretch begins whose end is read; zero is Start.
	From time.Time

	// Past says how far the reconstructed past reaches back, zero if there is
	// none. Unless it is nil, an instant before the Start that the text names
	// with its date, or counts from an anchor, may lie there.
	Past func() (time.Time, error)

	// These look up anchors in the recording. An anchor whose function is nil
	// is an error, and an error of the function is the reason in a WhenError;
	// if it is a *NotThere, it becomes part of the problem.
	TimeOfSeq func(store.Seq) (time.Time, error)
	SeqOfRV   func(resourceVersion string) (store.Seq, error)
	Mark      func(name string) (time.Time, error)
	Verdict   func(n int) (time.Time, error) // the nth verdict, from 1
	Incident  func() (time.Time, error)      // the first change to unhealthy
}

// Instant is an instant that someone named, in UTC and inside the recording or
// its reconstructed past.
type Instant struct {
	Time time.Time
	Seq  store.Seq // the position, if the text named one; else 0
	Text string    // as written, without the spaces around it
}

// Parse reads one instant. It never guesses and never moves what was meant:
// a text that cannot be read, lies outside the recording, fits several instants
// of it, or falls into the hour that a change to summer time leaves out is a
// *WhenError.
func Parse(text string, r Range) (Instant, error) {
	p := reading{Range: r, text: strings.TrimSpace(text)}
	if p.Zone == nil {
		p.Zone = time.UTC
	}
	w, err := p.read()
	if err != nil {
		return Instant{}, err
	}
	if !p.holds(w.Time) {
		if err := p.before(w.Time); err != nil {
			return Instant{}, err
		}
	}
	return Instant{Time: w.Time.UTC(), Seq: w.Seq, Text: p.text}, nil
}

// Format prints t to be copied: RFC 3339 in UTC, with as much of a
// fraction as t has. ParseWhen reads it back as t.
func Format(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Echo says how a time was understood, for the viewer's zone (nil is UTC):
//
//	2026-11-23T13:02:00Z (14:02:00 +01:00)
//
// The date is repeated where it is another one in that zone, and where the zone has
// the time of UTC it is said once.
func Echo(w Instant, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	layout := "15:04:05.999999999 -07:00"
	utc, local := w.Time.UTC(), w.Time.In(zone)
	if _, offset := local.Zone(); offset == 0 {
		return Format(utc)
	}
	if utc.YearDay() != local.YearDay() {
		layout = time.DateOnly + " " + layout
	}
	return fmt.Sprintf("%s (%s)", Format(utc), local.Format(layout))
}

// reading is one text and what it is read against.
type reading struct {
	Range
	text string
}

func (p reading) read() (Instant, error) {
	text, words := p.text, strings.Fields(p.text)
	switch {
	case text == "":
		return Instant{}, p.unreadable("it is empty")
	case text[0] == '+', text[0] == '-':
		return p.offset()
	case strings.HasPrefix(text, "now"):
		return p.now()
	case isDigit(text[0]) && len(words) > 1 && words[len(words)-1] == "ago":
		return p.ago(words[:len(words)-1])
	case isDigit(text[0]) && !strings.Contains(text, "%"):
		return p.calendar()
	case strings.HasPrefix(text, "today"), strings.HasPrefix(text, "yesterday"):
		return p.calendar()
	}
	return p.anchor()
}

// before returns why an instant that is not in the recording is not in its
// reconstructed past either.
func (p reading) before(t time.Time) error {
	outside := p.outside(Format(t) + " is")
	if p.text[0] == '#' || strings.HasPrefix(p.text, "rv:") {
		outside.Hint = "it is kept for what came later; what else there was at that time is in the recording this one was cut from"
	}
	if p.Past == nil || !t.Before(p.Start) {
		return outside
	}
	reach, err := p.Past()
	switch {
	case err != nil:
		return p.unknown(err)
	case reach.IsZero():
		return outside
	case t.Before(reach):
		outside.Hint = "the reconstructed past reaches back to " + Format(reach)
		return outside
	}
	return nil
}

// holds reports whether t is inside the recording.
func (r Range) holds(t time.Time) bool { return !t.Before(r.Start) && !t.After(r.End) }
