package report

import (
	"regexp"
	"strings"
	"sync"
	"time"
)

// utcClock is how sentences of the analyzer tell a time: that of the day, with
// the date if it is another than that of the instant looked at.
var utcClock = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b(\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\dZ`) })

// Sentence is a sentence of the analyzer about an instant, with its times in the
// viewer's zone.
func Sentence(text string, at time.Time, o Options) string {
	return (&printer{o: o, at: at}).say(text)
}

// say prints a sentence of the analyzer with its times in the viewer's zone, as
// all others around it are.
func (p *printer) say(sentence string) string {
	zone := p.zone()
	if zone == time.UTC {
		return Clean(sentence)
	}
	return Clean(utcClock().ReplaceAllStringFunc(sentence, func(clock string) string {
		if strings.Contains(clock, "T") {
			t, err := time.Parse(time.RFC3339, clock)
			if err != nil {
				return clock
			}
			return p.clock(t)
		}
		t, err := time.Parse("15:04:05Z", clock)
		if err != nil {
			return clock
		}
		y, m, d := p.at.UTC().Date()
		return p.clock(time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC))
	}))
}

var sinceWhen = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`, since (\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\dZ\.$`) })

// Undated is a sentence without the time at its end, for where that stands
// already.
func Undated(sentence string) string { return sinceWhen().ReplaceAllString(sentence, ".") }
