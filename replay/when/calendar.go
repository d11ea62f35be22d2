package when

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// calendar reads a time of day, with or without a day. A wall clock is held as
// the instant at which a clock in UTC shows the same.
func (p reading) calendar() (Instant, error) {
	text := strings.Join(strings.Fields(p.text), " ")
	if strings.Trim(text, "0123456789") == "" {
		e := p.unreadable("it is only a number")
		e.Hint = "an event is #" + text + ", seconds since 1970 are @" + text
		return Instant{}, e
	}
	if _, ok := parseDuration(text); ok {
		e := p.unreadable("it is a length of time, not a time")
		e.Hint = "write -" + text + ", " + text + " ago or start+" + text
		return Instant{}, e
	}

	day, text := cutDay(text)
	clock, text, ok := cutClock(text)
	if !ok {
		if day != "" && text == "" {
			e := p.unreadable("it is a whole day")
			e.Hint = "write " + day + " 00:00 for its beginning"
			return Instant{}, e
		}
		return Instant{}, p.unreadable("a time of day is written 14:02, 14:02:05.123 or 2:02pm")
	}
	name := strings.TrimPrefix(text, " ")
	zone, ok := parseZone(name)
	if !ok {
		e := p.unreadable(strconv.Quote(name) + " is not a time zone")
		e.Hint = "a zone is written Z, +01:00 or Europe/Berlin"
		return Instant{}, e
	}
	if zone == nil {
		zone = p.Zone
	}
	if day == "" {
		return p.anyDay(clock, zone)
	}
	date, err := p.date(day, zone)
	if err != nil {
		return Instant{}, err
	}
	wall := date.Add(clock)
	fits := instants(wall, zone)
	if len(fits) == 0 {
		return Instant{}, p.skipped(zoneChange(wall, zone), zone)
	}
	switch inside := p.inside(fits); len(inside) {
	case 0:
		if n := len(fits); n > 1 && p.Past != nil && fits[n-1].Before(p.Start) {
			return Instant{}, p.ambiguous(fits)
		}
		return Instant{Time: fits[0]}, nil // ParseWhen says that it is outside
	case 1:
		return Instant{Time: inside[0]}, nil
	default:
		return Instant{}, p.ambiguous(inside)
	}
}

// anyDay finds the one instant of the recording at which clocks in the zone
// showed the time of day.
func (p reading) anyDay(clock time.Duration, zone *time.Location) (Instant, error) {
	var inside []time.Time
	var skipped *Error
	// A day more on both sides: where clocks are put back over midnight, a
	// later instant may bear the earlier date.
	last := dateOf(p.End, zone).AddDate(0, 0, 1)
	for day := dateOf(p.Start, zone).AddDate(0, 0, -1); !day.After(last); day = day.AddDate(0, 0, 1) {
		wall := day.Add(clock)
		fits := instants(wall, zone)
		if len(fits) == 0 {
			if change := zoneChange(wall, zone); p.holds(change) {
				skipped = p.skipped(change, zone)
			}
		}
		inside = append(inside, p.inside(fits)...)
	}
	switch {
	case len(inside) == 1:
		return Instant{Time: inside[0]}, nil
	case len(inside) > 1:
		return Instant{}, p.ambiguous(inside)
	case skipped != nil:
		return Instant{}, skipped
	}
	e := p.outside("this time of day in " + zone.String() + " is")
	e.Hint = "in that zone the recording runs from " + p.Start.In(zone).Format(time.DateTime) +
		" to " + p.End.In(zone).Format(time.DateTime)
	if p.Past != nil {
		e.Hint += "\nwith its date a time may also lie in the reconstructed past, before the recording"
	}
	return Instant{}, e
}

// inside returns those of the instants that are in the recording.
func (p reading) inside(instants []time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(instants), func(t time.Time) bool { return !p.holds(t) })
}

// date returns midnight in UTC of a written date, today or yesterday.
func (p reading) date(day string, zone *time.Location) (time.Time, error) {
	if day == "today" || day == "yesterday" {
		now, err := p.clock()
		date := dateOf(now, zone)
		if day == "yesterday" {
			date = date.AddDate(0, 0, -1)
		}
		return date, err
	}
	date, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}, p.unreadable("there is no " + day)
	}
	return date, nil
}

// dateOf returns midnight in UTC of the date that t has in the zone.
func dateOf(t time.Time, zone *time.Location) time.Time {
	year, month, day := t.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// instants returns all instants, in order, at which clocks in the zone show
// what a clock in UTC shows at wall: usually one, none if they were put forward
// over it, two if they were put back over it.
func instants(wall time.Time, zone *time.Location) []time.Time {
	// The offset is the one in force near wall, or that before or after it;
	// offsets are less than a day and change more rarely than that.
	from, to := wall.In(zone).ZoneBounds()
	var fits []time.Time
	for _, near := range [...]time.Time{from.Add(-1), wall, to} {
		_, offset := near.In(zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		if _, at := t.In(zone).Zone(); at == offset {
			fits = append(fits, t)
		}
	}
	slices.SortFunc(fits, time.Time.Compare)
	return slices.CompactFunc(fits, time.Time.Equal)
}

// zoneChange returns when clocks in the zone were put forward over wall.
func zoneChange(wall time.Time, zone *time.Location) time.Time {
	from, to := wall.In(zone).ZoneBounds()
	for _, change := range [...]time.Time{from, to} {
		_, before := change.Add(-1).In(zone).Zone()
		_, after := change.In(zone).Zone()
		passed := wall.Sub(change)
		if passed >= time.Duration(before)*time.Second && passed < time.Duration(after)*time.Second {
			return change
		}
	}
	return time.Time{}
}

// cutDay cuts the day and what separates it from the time of day off text; the
// day is empty if there is none.
func cutDay(text string) (day, rest string) {
	for _, word := range [...]string{"today", "yesterday"} {
		if rest, ok := strings.CutPrefix(text, word); ok && (rest == "" || rest[0] == ' ') {
			return word, strings.TrimPrefix(rest, " ")
		}
	}
	const date = len(time.DateOnly)
	if len(text) < date || text[4] != '-' || text[7] != '-' ||
		strings.Trim(text[:4]+text[5:7]+text[8:date], "0123456789") != "" {
		return "", text
	}
	if len(text) > date && !strings.ContainsRune("Tt ", rune(text[date])) {
		return "", text
	}
	return text[:date], text[min(date+1, len(text)):]
}

// cutClock cuts a time of day off text and returns it as passed since midnight.
func cutClock(text string) (clock time.Duration, rest string, ok bool) {
	var minute, second, ns int
	hour, rest, ok := cutNumber(text, 1)
	minutes := ok && strings.HasPrefix(rest, ":")
	if minutes {
		minute, rest, ok = cutNumber(rest[1:], 2)
	}
	seconds := ok && minutes && strings.HasPrefix(rest, ":")
	if seconds {
		second, rest, ok = cutNumber(rest[1:], 2)
	}
	if ok && seconds && rest != "" && (rest[0] == '.' || rest[0] == ',') {
		decimals := rest[1:]
		rest = strings.TrimLeft(decimals, "0123456789")
		ns, ok = parseFraction(decimals[:len(decimals)-len(rest)])
	}
	half, rest, halved := cutHalf(rest)
	if halved {
		ok = ok && 1 <= hour && hour <= 12
		hour = hour%12 + half
	}
	if !ok || !minutes && !halved || hour > 23 || minute > 59 || second > 59 {
		return 0, text, false
	}
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
		time.Duration(second)*time.Second + time.Duration(ns), rest, true
}

// cutHalf cuts am or pm off text and returns the hours before that half of the
// day. America/New_York is not am.
func cutHalf(text string) (hours int, rest string, ok bool) {
	text = strings.TrimPrefix(text, " ")
	if len(text) < 2 || len(text) > 2 && isLetter(text[2]) {
		return 0, text, false
	}
	switch strings.ToLower(text[:2]) {
	case "am":
		return 0, text[2:], true
	case "pm":
		return 12, text[2:], true
	}
	return 0, text, false
}

// cutNumber cuts a number of two digits off text, or of at least so many.
func cutNumber(text string, least int) (n int, rest string, ok bool) {
	digits := 0
	for digits < len(text) && digits < 2 && isDigit(text[digits]) {
		n = 10*n + int(text[digits]-'0')
		digits++
	}
	return n, text[digits:], digits >= least
}

// parseZone reads a zone. It is nil if the text is empty.
func parseZone(text string) (*time.Location, bool) {
	switch {
	case text == "":
		return nil, true
	case text == "Z", text == "z":
		return time.UTC, true
	case text[0] == '+', text[0] == '-':
		hours, rest, ok := cutNumber(text[1:], 2)
		var minutes int
		if ok && rest != "" {
			minutes, rest, ok = cutNumber(strings.TrimPrefix(rest, ":"), 2)
		}
		if !ok || rest != "" || hours > 23 || minutes > 59 {
			return nil, false
		}
		offset := 60 * (60*hours + minutes)
		if text[0] == '-' {
			offset = -offset
		}
		return time.FixedZone("UTC"+text, offset), true
	case text == "Local", text[0] < 'A', text[0] > 'Z':
		// Zone directories also hold posixrules, right/UTC with leap seconds,
		// localtime and tables; the names of zones begin with a capital.
		return nil, false
	}
	zone, err := time.LoadLocation(text)
	return zone, err == nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
