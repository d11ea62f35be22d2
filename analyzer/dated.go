package analyzer

import (
	"strings"
	"time"
)

// Date says since when the verdict of a report holds, where the history of the
// subject tells that better than the objects of one instant: each of them may be
// older than the fault, or was written again since. The headline's sentence
// follows; its finding keeps its own date, as a cause may be older than its
// effect. now is the instant of the report.
func (r *Report) Date(since time.Time, note string, now time.Time) {
	message := strings.TrimSuffix(r.Headline.Message, ".")
	if old := r.Verdict.Since; !old.IsZero() && !old.After(now) {
		message = strings.TrimSuffix(message, ", since "+clock(old, now))
	}
	r.Verdict.Since, r.Verdict.SinceNote = since.UTC(), note
	r.Headline.Message = sentenceSince(message, r.Verdict.Since, now)
}

// sentenceSince is a sentence with the instant since when it is true, if that is
// known.
func sentenceSince(message string, t, now time.Time) string {
	message = strings.TrimRight(message, ".")
	if !t.IsZero() && !t.After(now) {
		message = strings.TrimSuffix(message, ", since "+clock(t, now)) + ", since " + clock(t, now)
	}
	return message + "."
}
