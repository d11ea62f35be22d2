// Package expect holds a recording against what should have happened in it.
//
// There are only a few types. An Expectation is one sentence about a subject's
// verdict over a stretch of time; Parse reads it as a person writes it, ReadFile
// from a file. A Result says whether it came true, with the stretches that
// decided it. What was not recorded decides nothing: such a Result is Undecided.
package expect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/registry"
)

// Quantifier says how often a verdict is expected.
type Quantifier string

// Quantifiers. In all of them the states may be several, any of which will do.
const (
	Never      Quantifier = "never"      // in no stretch, or in none longer than Tolerance
	Always     Quantifier = "always"     // all the time, but for stretches up to Tolerance
	Eventually Quantifier = "eventually" // at some time, within Within if that is set
	Finally    Quantifier = "finally"    // when the stretch of time ends
)

var quantifiers = []Quantifier{Never, Always, Eventually, Finally}

// States are the states that a verdict may be expected to have. "Ready" is read as
// Serving.
var States = []analyzer.State{
	analyzer.Absent, analyzer.NotServing, analyzer.PartiallyServing, analyzer.Degraded,
	analyzer.Converging, analyzer.Serving, analyzer.NotSelected, analyzer.Unknown,
}

// Expectation is what should be so of one subject:
//
//	TYPE/[NAMESPACE/]NAME never|always|eventually|finally STATE[|STATE...]
//	  [because DIAGNOSIS] [for more than DURATION] [but for DURATION] [within DURATION]
//	  [after INSTANT|STATE] [before INSTANT|STATE]
//
// for example `svc/web never NotServing for more than 5s after Ready`.
type Expectation struct {
	Name       string           `json:"name,omitempty"` // for people; String() if empty
	Subject    string           `json:"subject"`        // TYPE/[NAMESPACE/]NAME
	Quantifier Quantifier       `json:"quantifier"`
	States     []analyzer.State `json:"states"`
	// Because, with never and eventually, narrows the states to those with this
	// diagnosis as their headline.
	Because   string        `json:"because,omitempty"`
	Tolerance time.Duration `json:"-"`
	Within    time.Duration `json:"-"`
	// After and Before bound the time: an instant as any command takes it, or a
	// state: After, when it is first reached; Before, when it is next reached
	// from there. Empty: the first verdict that is not Unknown, for the recorder
	// looks around first, and the end of the recording.
	After  string `json:"after,omitempty"`
	Before string `json:"before,omitempty"`
}

// SyntaxError is a sentence that cannot be meant. Hint says how to write it.
type SyntaxError struct{ Problem, Hint string }

func (e *SyntaxError) Error() string { return e.Problem }

const hint = "write it as 'svc/web never NotServing for more than 5s after Ready', or 'svc/shop/web eventually Serving within 30s'"

// clauses are the words with which a part of a sentence begins.
var clauses = []string{"because", "but", "for", "within", "after", "before"}

// Parse reads a sentence. Every error is a *SyntaxError.
func Parse(text string) (Expectation, error) {
	fail := func(format string, args ...any) (Expectation, error) {
		return Expectation{}, &SyntaxError{fmt.Sprintf("expectation %q: %s", text, fmt.Sprintf(format, args...)), hint}
	}
	words := strings.Fields(text)
	if len(words) < 3 {
		return fail("it needs a subject, a quantifier and a state")
	}
	e := Expectation{Subject: words[0], Quantifier: Quantifier(words[1])}
	i := 2
	var states string
	for ; i < len(words) && !slices.Contains(clauses, words[i]); i++ {
		states += words[i]
	}
	parts := map[string]string{}
	for i < len(words) {
		name := words[i]
		if name == "but" { // for
			i++
			continue
		}
		if _, twice := parts[name]; twice {
			return fail("%q comes twice", name)
		}
		begin := i + 1
		for i++; i < len(words) && !slices.Contains(clauses, words[i]); i++ {
		}
		if parts[name] = strings.Join(words[begin:i], " "); parts[name] == "" {
			return fail("%q needs a value", name)
		}
	}
	e.Because, e.After, e.Before = parts["because"], parts["after"], parts["before"]
	if text, ok := parts["for"]; ok {
		text, longer := strings.CutPrefix(text, "more than ")
		if longer != (e.Quantifier == Never) {
			return fail("write never ... for more than 5s, or always ... but for 5s")
		}
		var err error
		if e.Tolerance, err = duration(text); err != nil {
			return fail("for: %v", err)
		}
	}
	if text, ok := parts["within"]; ok {
		var err error
		if e.Within, err = duration(text); err != nil {
			return fail("within: %v", err)
		}
	}
	var err error
	if e.States, err = parseStates(states); err != nil {
		return fail("%v", err)
	}
	if err := e.check(); err != nil {
		return fail("%v", err)
	}
	return e, nil
}

func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a duration such as 5s or 2m30s", text)
	}
	return d, nil
}

func parseStates(text string) ([]analyzer.State, error) {
	var states []analyzer.State
	for word := range strings.SplitSeq(text, "|") {
		word = strings.TrimSpace(word)
		s, ok := stateOf(word)
		switch {
		case word == "":
			return nil, errors.New("a state is missing")
		case !ok:
			return nil, fmt.Errorf("%q is not one of the states %s", word, StateWords(", "))
		case !slices.Contains(states, s):
			states = append(states, s)
		}
	}
	return states, nil
}

// StateWords returns the States with a separator between them.
func StateWords(between string) string {
	words := make([]string, len(States))
	for i, s := range States {
		words[i] = string(s)
	}
	return strings.Join(words, between)
}

// ParseCondition reads TYPE/[NAMESPACE/]NAME [=|==|!=] STATE[|STATE...]. negated
// is true for !=.
func ParseCondition(text string) (subject string, negated bool, states []analyzer.State, err error) {
	text = strings.TrimSpace(text)
	end := strings.IndexAny(text, " \t\r\n=!|")
	if end <= 0 {
		return "", false, nil, errors.New("it needs a subject and a state")
	}
	subject, text = text[:end], strings.TrimSpace(text[end:])
	if parts := strings.Split(subject, "/"); len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return "", false, nil, fmt.Errorf("%q does not name a subject", subject)
	}
	for _, operator := range []string{"!=", "==", "="} {
		if after, ok := strings.CutPrefix(text, operator); ok {
			text, negated = after, operator == "!="
			break
		}
	}
	states, err = parseStates(text)
	return subject, negated, states, err
}

func stateOf(word string) (analyzer.State, bool) {
	if strings.EqualFold(word, "Ready") {
		return analyzer.Serving, true
	}
	for _, s := range States {
		if strings.EqualFold(string(s), word) {
			return s, true
		}
	}
	return "", false
}

// check finds what does not go together.
func (e *Expectation) check() error {
	parts := strings.Split(e.Subject, "/")
	switch {
	case len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, ""):
		return fmt.Errorf("%q does not name a subject", e.Subject)
	case !slices.Contains(quantifiers, e.Quantifier):
		return fmt.Errorf("%q is not one of never, always, eventually, finally", e.Quantifier)
	case len(e.States) == 0:
		return fmt.Errorf("a state is missing")
	case e.Tolerance != 0 && e.Quantifier != Never && e.Quantifier != Always:
		return fmt.Errorf("\"for more than\" belongs to never and always")
	case e.Within != 0 && e.Quantifier != Eventually:
		return fmt.Errorf("\"within\" belongs to eventually")
	case e.Because != "" && e.Quantifier != Never && e.Quantifier != Eventually:
		return fmt.Errorf("\"because\" belongs to never and eventually")
	}
	if e.Because != "" && !slices.ContainsFunc(registry.Catalogue(), func(d registry.Diagnosis) bool { return d.ID == e.Because }) {
		return fmt.Errorf("there is no diagnosis %q", e.Because)
	}
	return nil
}

// String returns the sentence as Parse reads it.
func (e *Expectation) String() string {
	words := make([]string, len(e.States))
	for i, s := range e.States {
		words[i] = string(s)
	}
	text := fmt.Sprintf("%s %s %s", e.Subject, e.Quantifier, strings.Join(words, "|"))
	if e.Because != "" {
		text += " because " + e.Because
	}
	if e.Tolerance > 0 && e.Quantifier == Always {
		text += " but for " + e.Tolerance.String()
	} else if e.Tolerance > 0 {
		text += " for more than " + e.Tolerance.String()
	}
	if e.Within > 0 {
		text += " within " + e.Within.String()
	}
	if e.After != "" {
		text += " after " + e.After
	}
	if e.Before != "" {
		text += " before " + e.Before
	}
	return text
}
