package when

import (
	"errors"
	"fmt"
	"time"
)

// Error is the one error of ParseWhen. Its text says which of these it is:
// the time "cannot be read", "cannot be found" (an anchor that the recording
// does not have), "is outside the recording", "is ambiguous" or "does not
// exist" (clocks were put forward over it).
type Error struct {
	Text       string
	Problem    string      // what is wrong with Text, as the rest of a sentence
	Candidates []time.Time // what an ambiguous text may mean, ascending, in UTC
	Hint       string      // what to write instead; may be empty
	Err        error       // why an anchor could not be looked up; may be nil
}

func (e *Error) Error() string {
	text := fmt.Sprintf("time %q %s", e.Text, e.Problem)
	for i, t := range e.Candidates {
		text += [...]string{": ", ", "}[min(i, 1)] + Format(t)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// unreadable says that the text is not of the grammar, and why if that is known.
func (p reading) unreadable(why string) *Error {
	e := &Error{Text: p.text, Problem: "cannot be read"}
	if why != "" {
		e.Problem += ": " + why
	}
	e.Hint = "a time is written 14:02, 14:02Z, 2026-11-23 14:02 +0200, 3m ago, -5m, start+5m, #8812, @mark, incident or 50%"
	return e
}

// unknown says that the recording does not have the anchor.
func (p reading) unknown(err error) *Error {
	if missing := (*NotThere)(nil); errors.As(err, &missing) {
		return &Error{Text: p.text, Problem: "cannot be found: " + missing.Problem, Hint: missing.Hint}
	}
	return &Error{Text: p.text, Problem: "cannot be found", Err: err}
}

// outside says that what is not in the recording, which it prints.
func (p reading) outside(what string) *Error {
	return &Error{
		Text: p.text,
		Problem: fmt.Sprintf("is outside the recording: %s not between %s and %s",
			what, Format(p.Start), Format(p.End)),
	}
}

// ambiguous lists what the text may mean.
func (p reading) ambiguous(candidates []time.Time) *Error {
	const most = 6
	e := &Error{Text: p.text, Problem: "is ambiguous", Candidates: candidates}
	if len(candidates) > most {
		e.Candidates = candidates[:most]
		e.Problem = fmt.Sprintf("is ambiguous, these and %d more fit", len(candidates)-most)
	}
	e.Hint = "write one of these, or add the date or the offset from UTC"
	return e
}

// skipped says that no clock in the zone ever showed the time, since at change
// they were put forward over it.
func (p reading) skipped(change time.Time, zone *time.Location) *Error {
	after := change.In(zone)
	_, offset := after.Add(-1).Zone()
	before := change.In(time.FixedZone("", offset))
	layout := "15:04"
	if before.Day() != after.Day() {
		layout = time.DateOnly + " " + layout
	}
	return &Error{
		Text: p.text,
		Problem: fmt.Sprintf("does not exist: clocks in %s went from %s to %s",
			zone, before.Format(layout), after.Format(layout)),
		Hint: fmt.Sprintf("they did so at %s", Format(change)),
	}
}
