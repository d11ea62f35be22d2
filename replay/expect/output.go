package expect

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/svcspy/svcspy/replay/when"
)

// title is how a result is called in a list.
func (r *Result) title() string {
	if r.Name != "" {
		return r.Name
	}
	return r.String()
}

// WriteTAP writes results in the Test Anything Protocol, version 14. What is
// undecided is not ok: nobody should build on it.
func WriteTAP(w io.Writer, results []Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "TAP version 14\n1..%d\n", len(results))
	for i := range results {
		r := &results[i]
		ok := "ok"
		if r.Outcome != Passed {
			ok = "not ok"
		}
		fmt.Fprintf(&b, "%s %d - %s\n", ok, i+1, strings.NewReplacer("#", `\#`, "\n", " ").Replace(r.title()))
		if r.Outcome == Passed {
			continue
		}
		fmt.Fprintf(&b, "  ---\n  outcome: %s\n  expect: %q\n  reason: %q\n", r.Outcome, r.String(), r.Reason)
		for j, line := range r.lines() {
			if j == 0 {
				b.WriteString("  stretches:\n")
			}
			fmt.Fprintf(&b, "  - %q\n", line)
		}
		b.WriteString("  ...\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lines are the stretches that decided a result, a line each.
func (r *Result) lines() []string {
	var lines []string
	for _, s := range r.Stretches {
		line := fmt.Sprintf("%s #%d %s %s", when.Format(s.From), s.Seq, s.To.Sub(s.From).Round(time.Millisecond), s.State)
		if s.Message != "" {
			line += ": " + s.Message
		}
		lines = append(lines, line)
	}
	if r.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", r.More))
	}
	return lines
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes results as a JUnit test suite. What is undecided is an error,
// what did not come true a failure.
func WriteJUnit(w io.Writer, name string, results []Result) error {
	suite := junitSuite{Name: name, Tests: len(results)}
	for i := range results {
		r := &results[i]
		c := junitCase{Name: r.title(), Class: r.Subject}
		problem := &junitProblem{Message: r.Reason, Text: r.String() + "\n" + strings.Join(r.lines(), "\n")}
		switch r.Outcome {
		case Failed:
			suite.Failures++
			c.Failure = problem
		case Undecided:
			suite.Errors++
			c.Error = problem
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// WriteText writes results for people, in clock times of a zone. clean takes what
// a terminal would obey out of words of the cluster.
func WriteText(w io.Writer, results []Result, zone *time.Location, clean func(string) string) error {
	var b strings.Builder
	passed, failed, undecided := 0, 0, 0
	for i := range results {
		r := &results[i]
		word := "ok       "
		switch r.Outcome {
		case Passed:
			passed++
		case Failed:
			word = "FAILED   "
			failed++
		default:
			word = "UNDECIDED"
			undecided++
		}
		fmt.Fprintf(&b, "%s %s\n", word, clean(r.title()))
		if r.Outcome == Passed {
			continue
		}
		if r.Name != "" {
			fmt.Fprintf(&b, "          %s\n", clean(r.String()))
		}
		fmt.Fprintf(&b, "          %s\n", clean(r.Reason))
		for _, s := range r.Stretches {
			fmt.Fprintf(&b, "          %s #%-6d %8s  %-16s %s\n", s.From.In(zone).Format("15:04:05"), s.Seq, s.To.Sub(s.From).Round(100*time.Millisecond), s.State, clean(s.Message))
		}
		if r.More > 0 {
			fmt.Fprintf(&b, "          and %d more\n", r.More)
		}
	}
	if len(results) > 0 {
		fmt.Fprintf(&b, "%d of %d came true", passed, len(results))
		if failed > 0 {
			fmt.Fprintf(&b, ", %d failed", failed)
		}
		if undecided > 0 {
			fmt.Fprintf(&b, ", %d undecided", undecided)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
