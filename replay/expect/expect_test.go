package expect

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
)

var begin = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

// courseOf makes segments of words such as "Serving 10s".
func courseOf(words ...string) []verdict.Segment {
	var all []verdict.Segment
	at := begin
	for _, w := range words {
		state, length, _ := strings.Cut(w, " ")
		state, id, _ := strings.Cut(state, ":")
		d, err := time.ParseDuration(length)
		if err != nil {
			panic(err)
		}
		s := verdict.Segment{From: at, To: at.Add(d), Seq: 1}
		s.Report.Verdict.State = analyzer.State(state)
		s.Report.Headline.ID = id
		all = append(all, s)
		at = s.To
	}
	return all
}

func timesFrom(text string) (when.Instant, error) {
	d, err := time.ParseDuration(text)
	return when.Instant{Time: begin.Add(d)}, err
}

func TestJudge(t *testing.T) {
	outage := courseOf("Unknown 1s", "Converging 4s", "Serving 20s", "NotServing:selector-edited 6s", "PartiallyServing 1s", "Serving 28s")
	gap := courseOf("Serving 10s", "Unknown 20s", "Serving 10s")
	for _, tt := range []struct {
		expect string
		course []verdict.Segment
		want   Outcome
	}{
		{"svc/web never NotServing", outage, Failed},
		{"svc/web never NotServing for more than 6s", outage, Passed},
		{"svc/web never NotServing for more than 5999ms", outage, Failed},
		{"svc/web never NotServing|PartiallyServing for more than 6s", outage, Failed},
		{"svc/web never NotServing because selector-edited", outage, Failed},
		{"svc/web never NotServing because node-not-ready", outage, Passed},
		{"svc/web never NotServing before 25s", outage, Passed},
		{"svc/web never NotServing after 31s", outage, Passed},
		{"svc/web never Converging after Ready", outage, Passed},
		{"svc/web never Converging", outage, Failed},
		{"svc/web never NotServing after Ready before PartiallyServing", outage, Failed},
		{"svc/web never Serving after Degraded", outage, Failed}, // it never was: nothing was held against anything
		{"svc/web always Serving", outage, Failed},
		{"svc/web always Serving after Ready but for 7s", outage, Passed},
		{"svc/web always Serving after Ready but for 6s", outage, Failed},
		{"svc/web always Serving|Converging before 25s", outage, Passed}, // the first second it only looked around
		{"svc/web eventually NotServing", outage, Passed},
		{"svc/web eventually NotServing within 24s", outage, Passed},
		{"svc/web eventually NotServing within 23s", outage, Failed},
		{"svc/web eventually NotServing because node-not-ready", outage, Failed},
		{"svc/web eventually Degraded", outage, Failed},
		{"svc/web eventually Degraded within 5m", outage, Undecided}, // it ended before
		{"svc/web eventually Serving after NotServing within 7s", outage, Passed},
		{"svc/web finally Serving", outage, Passed},
		{"svc/web finally NotServing", outage, Failed},
		{"svc/web finally NotServing before 30s", outage, Passed},
		{"svc/web never NotServing", gap, Undecided},
		{"svc/web never NotServing for more than 20s", gap, Passed},
		{"svc/web always Serving", gap, Undecided},
		{"svc/web always Serving but for 30s", gap, Passed},
		{"svc/web never Unknown", gap, Failed},
		{"svc/web eventually NotServing", gap, Undecided},
		{"svc/web finally Serving before 15s", gap, Undecided},
		{"svc/web finally Serving", nil, Undecided},
		// Unknown between two stretches that must not be: together they may be longer.
		{"svc/web never NotServing for more than 9s", courseOf("Serving 1s", "NotServing 5s", "Unknown 5s", "NotServing 5s", "Serving 1s"), Undecided},
		{"svc/web never NotServing for more than 4s", courseOf("Serving 1s", "NotServing 5s", "Unknown 5s", "Serving 1s"), Failed},
	} {
		e, err := Parse(tt.expect)
		if err != nil {
			t.Errorf("%s: %v", tt.expect, err)
			continue
		}
		again, err := Parse(e.String())
		if diff := cmp.Diff(e, again); err != nil || diff != "" {
			t.Errorf("%s, written and read: %v\n%s", tt.expect, err, diff)
		}
		r, err := Judge(e, tt.course, timesFrom)
		if err != nil || r.Outcome != tt.want || r.Reason == "" {
			t.Errorf("%s: %s (%s), %v, want %s", tt.expect, r.Outcome, r.Reason, err, tt.want)
		}
		var text, tap, junit bytes.Buffer
		if err := errors.Join(WriteText(&text, []Result{r}, time.UTC, strings.ToUpper), WriteTAP(&tap, []Result{r}), WriteJUnit(&junit, "x", []Result{r})); err != nil {
			t.Error(err)
		}
		if strings.Contains(tap.String(), "\nok ") != (tt.want == Passed) || xml.Unmarshal(junit.Bytes(), &junitSuite{}) != nil {
			t.Errorf("%s:\n%s%s", tt.expect, tap.String(), junit.String())
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{
		"", "svc/web", "svc/web never", "web never NotServing", "svc/a/b/c never NotServing", "svc/web sometimes Serving", "svc/web never Broken",
		"svc/web never NotServing for 5s", "svc/web always Serving for more than 5s", "svc/web finally Serving within 5s", "svc/web eventually Serving within -5s",
		"svc/web never NotServing because nonsense", "svc/web never NotServing after", "svc/web never NotServing after Ready after Ready", "svc/web finally Serving because selector-edited",
	} {
		_, err := Parse(text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Hint == "" {
			t.Errorf("Parse(%q): %v, want a SyntaxError with a hint", text, err)
		}
	}
	e, err := Parse("svc/web never NotServing after 30s before 10s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Judge(e, courseOf("Serving 60s"), timesFrom); err == nil {
		t.Error("it ends before it begins, and nobody says so")
	}
}

func TestFirings(t *testing.T) {
	course := courseOf("Serving 10s", "NotServing 3s", "Serving 7s", "NotServing 10s", "PartiallyServing 10s", "Serving 5s", "NotServing 30s")
	for _, tt := range []struct {
		condition, holds string
		want             []Firing
		longest          time.Duration
	}{
		{"svc/web NotServing", "10s", []Firing{{begin.Add(30 * time.Second), begin.Add(20 * time.Second), begin.Add(30 * time.Second)}, {begin.Add(55 * time.Second), begin.Add(45 * time.Second), time.Time{}}}, 3 * time.Second},
		{"svc/web != Serving", "15s", []Firing{{begin.Add(35 * time.Second), begin.Add(20 * time.Second), begin.Add(40 * time.Second)}, {begin.Add(60 * time.Second), begin.Add(45 * time.Second), time.Time{}}}, 3 * time.Second},
		{"svc/web NotServing", "1m", nil, 30 * time.Second},
		{"svc/web == Absent", "", nil, 0},
	} {
		a, err := ParseAlert(tt.condition, tt.holds)
		if err != nil {
			t.Fatal(err)
		}
		got, longest := a.Firings(course)
		if diff := cmp.Diff(tt.want, got); diff != "" || longest != tt.longest {
			t.Errorf("%s for %s: longest %s, want %s (-want +got)\n%s", tt.condition, tt.holds, longest, tt.longest, diff)
		}
	}
	for _, text := range []string{"", "svc/web", "svc/web !=", "svc/web Broken", "NotServing"} {
		if _, err := ParseAlert(text, ""); err == nil {
			t.Errorf("ParseAlert(%q): no error", text)
		}
	}
}

func TestReadFile(t *testing.T) {
	const head = "apiVersion: svcspy.dev/v1\nkind: Expectations\n"
	f, err := ReadFile(strings.NewReader(head + "namespace: shop\nexpectations:\n- {name: up, expect: svc/web finally Serving}\nalerts:\n- {when: svc/web NotServing, for: 30s}\n"))
	if err != nil || len(f.Expectations) != 1 || f.Expectations[0].Name != "up" || len(f.Alerts) != 1 || f.Alerts[0].For != 30*time.Second {
		t.Errorf("file: %+v, %v", f, err)
	}
	for _, text := range []string{
		"", "{", head, "kind: Pod\nexpectations: [{expect: svc/web finally Serving}]", head + "expectations:\n- {expect: nonsense}", head + "unknown: 1\nexpectations: [{expect: svc/web finally Serving}]",
		head + "alerts: [{when: svc/web NotServing, for: soon}]", head + strings.Repeat("#", maxFile),
	} {
		if _, err := ReadFile(strings.NewReader(text)); !errors.As(err, new(*SyntaxError)) {
			t.Errorf("ReadFile(%.40q): %v, want a SyntaxError", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("svc/web never NotServing|Degraded because selector-edited for more than 5s after Ready before end-3s")
	f.Add("svc/web always Serving but for 5s")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(e.String())
		if diff := cmp.Diff(e, again); err != nil || diff != "" {
			t.Errorf("%q is read as %q: %v\n%s", text, e.String(), err, diff)
		}
	})
}
