package when

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/store"
)

// TestParseWhen reads every line of testdata/when.
func TestParseWhen(t *testing.T) {
	files, err := filepath.Glob("testdata/when/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	texts := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			r, lines := readWhenTable(t, file)
			for _, line := range lines {
				w, err := Parse(line.text, r)
				if diff := cmp.Diff(line.want, outcome(t, w, err)); diff != "" {
					t.Errorf("%s:%d: ParseWhen(%q): %v (-want +got)\n%s", file, line.number, line.text, err, diff)
				}
				checkWhen(t, line.text, r, w, err)
			}
			texts += len(lines)
		})
	}
	if texts < 205 {
		t.Errorf("the tables hold %d texts, want at least 205", texts)
	}
}

// outcome says what ParseWhen returned, as the tables write it.
func outcome(t *testing.T, w Instant, err error) string {
	if err == nil && w.Seq != 0 {
		return fmt.Sprintf("event %d %s", w.Seq, Format(w.Time))
	}
	if err == nil {
		return Format(w.Time)
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T, want a *WhenError", err)
	}
	for problem, word := range map[string]string{
		"cannot be read":           "unreadable",
		"cannot be found":          "unknown",
		"is outside the recording": "outside",
		"is ambiguous":             "ambiguous",
		"does not exist":           "skipped",
	} {
		if strings.HasPrefix(e.Problem, problem) {
			for _, candidate := range e.Candidates {
				word += " " + Format(candidate)
			}
			return word
		}
	}
	return e.Problem
}

// checkWhen checks what must hold of any answer.
func checkWhen(t testing.TB, text string, r Range, w Instant, err error) {
	t.Helper()
	var e *Error
	if err != nil {
		if w != (Instant{}) || !errors.As(err, &e) || e.Text != strings.TrimSpace(text) {
			t.Errorf("ParseWhen(%q) = %v, %#v; want nothing and a *WhenError about the text", text, w, err)
			return
		}
		if ambiguous := strings.HasPrefix(e.Problem, "is ambiguous"); ambiguous != (len(e.Candidates) > 1) {
			t.Errorf("ParseWhen(%q): %v: has %d candidates", text, err, len(e.Candidates))
		}
		for _, c := range e.Candidates {
			checkReadsBack(t, Format(c), r, c)
		}
		if message := err.Error(); message != strings.ToValidUTF8(message, "") || strings.ContainsFunc(message, isControl) {
			t.Errorf("ParseWhen(%q): message %q is not fit for a terminal", text, message)
		}
		return
	}
	first := r.Start
	if r.Past != nil {
		first, _ = r.Past()
	}
	if w.Time.Before(first) || w.Time.After(r.End) {
		t.Errorf("ParseWhen(%q) = %v, which is outside %v to %v", text, w.Time, first, r.End)
	}
	checkReadsBack(t, Format(w.Time), r, w.Time)
}

// checkReadsBack checks that what was printed for an instant means it.
func checkReadsBack(t testing.TB, text string, r Range, want time.Time) {
	t.Helper()
	w, err := Parse(text, r)
	if err != nil || !w.Time.Equal(want) {
		t.Errorf("ParseWhen(%q) = %v, %v; want %v", text, w.Time, err, want)
	}
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

type whenLine struct {
	number     int
	text, want string
}

// readWhenTable reads a table; its README.md describes the format.
func readWhenTable(t testing.TB, file string) (Range, []whenLine) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := Range{}
	var lines []whenLine
	events := map[store.Seq]time.Time{}
	versions := map[string]store.Seq{}
	marks := map[string]time.Time{}
	verdicts := map[int]time.Time{}
	for i, line := range strings.Split(string(data), "\n") {
		if text, want, ok := strings.Cut(line, "=>"); ok {
			text = strings.TrimSpace(text)
			if strings.HasPrefix(text, `"`) {
				if text, err = strconv.Unquote(text); err != nil {
					t.Fatalf("%s:%d: %v", file, i+1, err)
				}
			}
			lines = append(lines, whenLine{i + 1, text, strings.TrimSpace(want)})
			continue
		}
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		at := func(field int) time.Time {
			t.Helper()
			instant, err := time.Parse(time.RFC3339Nano, fields[field])
			if err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
			return instant
		}
		number := func(field int) int {
			t.Helper()
			n, err := strconv.Atoi(fields[field])
			if err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
			return n
		}
		switch fields[0] {
		case "start":
			r.Start = at(1)
		case "end":
			r.End = at(1)
		case "zone":
			r.Zone = zoneNamed(t, fields[1])
		case "past":
			past := at(1)
			r.Past = func() (time.Time, error) { return past, nil }
		case "live":
			r.Live = true
		case "now":
			r.Now = at(1)
		case "cursor":
			r.Cursor = at(1)
		case "from":
			r.From = at(1)
		case "incident":
			incident := at(1)
			r.Incident = func() (time.Time, error) { return incident, nil }
		case "event":
			events[store.Seq(number(1))] = at(2)
			r.TimeOfSeq = lookup(events)
		case "rv":
			versions[fields[1]] = store.Seq(number(2))
			r.SeqOfRV = lookup(versions)
		case "verdict":
			verdicts[number(1)] = at(2)
			r.Verdict = lookup(verdicts)
		case "mark":
			marks[strings.Join(fields[2:], " ")] = at(1)
			r.Mark = lookup(marks)
		default:
			t.Fatalf("%s:%d: cannot read %q", file, i+1, line)
		}
	}
	return r, lines
}

func lookup[K comparable, V any](m map[K]V) func(K) (V, error) {
	return func(k K) (V, error) {
		v, ok := m[k]
		if !ok {
			return v, fmt.Errorf("there is no %v", k)
		}
		return v, nil
	}
}

func zoneNamed(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestWhenErrorMessage pins the voice: what a reader sees, and the hint.
func TestWhenErrorMessage(t *testing.T) {
	damaged := errors.New("block 7 is damaged")
	r := Range{
		Start:     time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		End:       time.Date(2026, 11, 23, 13, 10, 0, 5e8, time.UTC),
		Zone:      zoneNamed(t, "Europe/Berlin"),
		TimeOfSeq: func(store.Seq) (time.Time, error) { return time.Time{}, damaged },
	}
	const forms = "a time is written 14:02, 14:02Z, 2026-11-23 14:02 +0200, 3m ago, -5m, start+5m, #8812, @mark, incident or 50%"
	for _, test := range []struct{ text, want, hint string }{
		{"garbage", `time "garbage" cannot be read`, forms},
		{"\x1b[2J", `time "\x1b[2J" cannot be read`, forms},
		{"", `time "" cannot be read: it is empty`, forms},
		{"25:00", `time "25:00" cannot be read: a time of day is written 14:02, 14:02:05.123 or 2:02pm`, forms},
		{"2026-02-30 14:02", `time "2026-02-30 14:02" cannot be read: there is no 2026-02-30`, forms},
		{"14:02 CEST", `time "14:02 CEST" cannot be read: "CEST" is not a time zone`, "a zone is written Z, +01:00 or Europe/Berlin"},
		{"2026-11-23", `time "2026-11-23" cannot be read: it is a whole day`, "write 2026-11-23 00:00 for its beginning"},
		{"8812", `time "8812" cannot be read: it is only a number`, "an event is #8812, seconds since 1970 are @8812"},
		{"5m", `time "5m" cannot be read: it is a length of time, not a time`, "write -5m, 5m ago or start+5m"},
		{"-2d", `time "-2d" cannot be read: not all days have 24 hours, write hours`, forms},
		{
			"13:30", `time "13:30" is ambiguous: 2026-11-22T12:30:00Z, 2026-11-23T12:30:00Z`,
			"write one of these, or add the date or the offset from UTC",
		},
		{"-48h", `time "-48h" is outside the recording: 2026-11-21T13:10:00.5Z is not between 2026-11-22T12:00:00Z and 2026-11-23T13:10:00.5Z`, ""},
		{
			"now", `time "now" is outside the recording: it has ended, now is not between 2026-11-22T12:00:00Z and 2026-11-23T13:10:00.5Z`,
			"end counts from the end of the recording",
		},
		{
			"2026-03-29 02:30", `time "2026-03-29 02:30" does not exist: clocks in Europe/Berlin went from 02:00 to 03:00`,
			"they did so at 2026-03-29T01:00:00Z",
		},
		{
			"2011-12-30 09:00 Pacific/Apia",
			`time "2011-12-30 09:00 Pacific/Apia" does not exist: clocks in Pacific/Apia went from 2011-12-30 00:00 to 2011-12-31 00:00`,
			"they did so at 2011-12-30T10:00:00Z",
		},
		{"@deploy", `time "@deploy" cannot be found: nothing of this kind is known here`, ""},
		{"#8812", `time "#8812" cannot be found: block 7 is damaged`, ""},
	} {
		_, err := Parse(test.text, r)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("ParseWhen(%q): %v is not a *WhenError", test.text, err)
			continue
		}
		if diff := cmp.Diff([]string{test.want, test.hint}, []string{e.Error(), e.Hint}); diff != "" {
			t.Errorf("ParseWhen(%q) (-want +got)\n%s", test.text, diff)
		}
	}
	if _, err := Parse("#8812", r); !errors.Is(err, damaged) {
		t.Errorf("ParseWhen(#8812): %v does not wrap its reason", err)
	}

	r.End = r.Start.Add(time.Hour)
	_, err := Parse("14:02", r)
	want := `time "14:02" is outside the recording: this time of day in Europe/Berlin is not between 2026-11-22T12:00:00Z and 2026-11-22T13:00:00Z`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("time of day outside (-want +got)\n%s", diff)
	}
	r.End = r.Start.AddDate(0, 0, 30)
	_, err = Parse("14:02Z", r)
	want = `time "14:02Z" is ambiguous, these and 24 more fit: 2026-11-22T14:02:00Z, 2026-11-23T14:02:00Z, ` +
		`2026-11-24T14:02:00Z, 2026-11-25T14:02:00Z, 2026-11-26T14:02:00Z, 2026-11-27T14:02:00Z`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("a month of days (-want +got)\n%s", diff)
	}
}

func TestEcho(t *testing.T) {
	at := time.Date(2026, 11, 23, 13, 2, 0, 0, time.UTC)
	for _, test := range []struct {
		at   time.Time
		zone string
		want string
	}{
		{at, "Europe/Berlin", "2026-11-23T13:02:00Z (14:02:00 +01:00)"},
		{at, "UTC", "2026-11-23T13:02:00Z"},
		{at.Add(345 * time.Millisecond), "America/New_York", "2026-11-23T13:02:00.345Z (08:02:00.345 -05:00)"},
		{at, "Pacific/Auckland", "2026-11-23T13:02:00Z (2026-11-24 02:02:00 +13:00)"},
		{at, "Europe/London", "2026-11-23T13:02:00Z"},
		{at, "Asia/Kathmandu", "2026-11-23T13:02:00Z (18:47:00 +05:45)"},
	} {
		if got := Echo(Instant{Time: test.at}, zoneNamed(t, test.zone)); got != test.want {
			t.Errorf("Echo in %s = %s, want %s", test.zone, got, test.want)
		}
	}
	if got, want := Echo(Instant{Time: at}, nil), "2026-11-23T13:02:00Z"; got != want {
		t.Errorf("Echo without a zone = %s, want %s", got, want)
	}
}

// whenZones have changes of an hour and of half an hour, at night, at midnight
// and over midnight, a day left out, and none at all.
var whenZones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Santiago",
	"Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham", "Asia/Kathmandu", "Africa/Casablanca", "Asia/Gaza",
}

// TestWhenRoundTrip reads back what is printed for any instant of any short
// recording: the form to copy, and both halves of the echo in any zone.
func TestWhenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(whenZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		start := drawInstant(t, zone)
		length := time.Duration(rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "length"))
		at := start.Add(time.Duration(rapid.Int64Range(0, int64(length)).Draw(t, "at")))
		r := Range{Start: start, End: start.Add(length), Zone: zone}
		for _, text := range append(strings.Split(strings.TrimSuffix(Echo(Instant{Time: at}, zone), ")"), " ("), Format(at)) {
			w, err := Parse(text, r)
			if err != nil || !w.Time.Equal(at) {
				t.Fatalf("ParseWhen(%q) = %v, %v; want %v", text, w.Time, err, at)
			}
		}
	})
}

// TestInstants compares with trying every quarter of an hour around the time.
func TestInstants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(whenZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		shown := drawInstant(t, zone).Truncate(15 * time.Minute)
		_, offset := shown.Zone()
		wall := shown.UTC().Add(time.Duration(offset) * time.Second)
		wall = wall.Add(time.Duration(rapid.IntRange(-8, 8).Draw(t, "quarters")) * 15 * time.Minute)
		var want []time.Time
		for at := wall.Add(-26 * time.Hour); at.Before(wall.Add(26 * time.Hour)); at = at.Add(15 * time.Minute) {
			if at.In(zone).Format(time.DateTime) == wall.Format(time.DateTime) {
				want = append(want, at)
			}
		}
		got := instants(wall, zone)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("instants that show %s in %s (-want +got)\n%s", wall.Format(time.DateTime), zone, diff)
		}
		change := zoneChange(wall, zone)
		if skipped := len(got) == 0; skipped == change.IsZero() {
			t.Fatalf("%s in %s: skipped is %t, by the change at %v", wall.Format(time.DateTime), zone, skipped, change)
		}
	})
}

// drawInstant draws any instant of forty years, half of them close to a change
// of the clocks.
func drawInstant(t *rapid.T, zone *time.Location) time.Time {
	at := time.Unix(rapid.Int64Range(800000000, 2000000000).Draw(t, "unix"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).In(zone)
	if _, change := at.ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "near a change") {
		at = change.Add(time.Duration(rapid.Int64Range(-int64(3*time.Hour), int64(3*time.Hour)).Draw(t, "from the change")))
	}
	return at
}

// FuzzParseWhen starts from every text of the tables, each in a situation that
// the fuzzer may change.
func FuzzParseWhen(f *testing.F) {
	files, err := filepath.Glob("testdata/when/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		r, lines := readWhenTable(f, file)
		for i, line := range lines {
			f.Add(line.text, r.Start.Unix(), uint32(r.End.Sub(r.Start)/time.Second), uint8(i), r.Live, !r.Cursor.IsZero())
		}
	}
	f.Fuzz(func(t *testing.T, text string, start int64, seconds uint32, zone uint8, live, prompt bool) {
		r := Range{
			Start: time.Unix(start%lastUnix, 345e6),
			Live:  live,
			Zone:  zoneNamed(t, whenZones[int(zone)%len(whenZones)]),
		}
		r.End = r.Start.Add(time.Duration(seconds%1e7) * time.Second)
		if r.Start.UTC().Year() < 1 || r.End.UTC().Year() > 9999 {
			t.Skip("RFC 3339 has no such years")
		}
		r.Now = r.End.Add(time.Second)
		if prompt {
			r.Cursor = r.Start.Add(time.Duration(seconds%1e7/2) * time.Second)
		}
		// Everything about the recording can be found, also where it is not.
		r.TimeOfSeq = func(seq store.Seq) (time.Time, error) { return r.Start.Add(time.Duration(seq)), nil }
		r.SeqOfRV = func(rv string) (store.Seq, error) { return store.Seq(len(rv)), nil }
		r.Mark = func(name string) (time.Time, error) { return r.End.Add(-time.Duration(len(name)) * time.Second), nil }
		r.Verdict = func(n int) (time.Time, error) { return r.Start.Add(time.Duration(n) * time.Second), nil }
		r.Incident = func() (time.Time, error) { return r.Cursor, nil }
		if seconds%3 == 0 && r.Start.UTC().Year() > 1 {
			r.Past = func() (time.Time, error) { return r.Start.Add(-time.Hour), nil }
		}

		w, err := Parse(text, r)
		checkWhen(t, text, r, w, err)
		again, errAgain := Parse(" "+text+"\n", r)
		if again != w || fmt.Sprint(errAgain) != fmt.Sprint(err) {
			t.Errorf("ParseWhen(%q) = %v, %v; with space around it %v, %v", text, w, err, again, errAgain)
		}
	})
}
