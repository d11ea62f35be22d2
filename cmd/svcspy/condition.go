package main

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// states are the words a condition may ask for.
var states = []analyzer.State{
	analyzer.Absent, analyzer.NotServing, analyzer.PartiallyServing, analyzer.Degraded,
	analyzer.Converging, analyzer.Serving, analyzer.NotSelected, analyzer.Unknown,
}

// condition is a question about a subject's verdict that can become true:
//
//	TYPE/[NAMESPACE/]NAME [=|==|!=] STATE[|STATE...]
//
// for example `svc/web NotServing`, `svc/shop/web != Serving`.
type condition struct {
	words   []string // the subject as replay.ParseSubject takes it
	negated bool
	states  []analyzer.State
	ref     store.Ref // set by resolve
}

const conditionHint = "write it as 'TYPE/[NAMESPACE/]NAME STATE', for example 'svc/web NotServing' or 'svc/shop/web Absent|NotServing'"

// parseCondition reads a condition. What is wrong with it is the user's error.
func parseCondition(text string) (condition, error) {
	var c condition
	fail := func(format string, args ...any) (condition, error) {
		return condition{}, usageError{fmt.Errorf("condition %q: %s", text, fmt.Sprintf(format, args...)), conditionHint}
	}
	rest := strings.TrimSpace(text)
	end := strings.IndexAny(rest, " \t\r\n=!|")
	if end <= 0 {
		return fail("it needs a subject and a state")
	}
	parts := strings.Split(rest[:end], "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return fail("%q does not name a subject", rest[:end])
	}
	c.words = []string{parts[0], strings.Join(parts[1:], "/")}
	rest = strings.TrimSpace(rest[end:])
	for _, operator := range []string{"!=", "==", "="} {
		if after, ok := strings.CutPrefix(rest, operator); ok {
			rest, c.negated = after, operator == "!="
			break
		}
	}
	for word := range strings.SplitSeq(rest, "|") {
		word = strings.TrimSpace(word)
		i := slices.IndexFunc(states, func(s analyzer.State) bool { return strings.EqualFold(string(s), word) })
		switch {
		case word == "":
			return fail("a state is missing")
		case i < 0:
			return fail("%q is none of the states %s", word, stateWords(", "))
		case !slices.Contains(c.states, states[i]):
			c.states = append(c.states, states[i])
		}
	}
	return c, nil
}

func parseConditions(texts []string) ([]condition, error) {
	var list []condition
	for _, text := range texts {
		c, err := parseCondition(text)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func stateWords(between string) string {
	var words []string
	for _, s := range states {
		words = append(words, string(s))
	}
	return strings.Join(words, between)
}

// resolve finds out which object is meant.
func (c *condition) resolve(namespace string, resources []metav1.APIResource) error {
	ref, err := namedSubject(c.words, namespace, resources)
	c.ref = ref
	return err
}

// holds reports whether the condition is true of a state.
func (c *condition) holds(state analyzer.State) bool {
	return slices.Contains(c.states, state) != c.negated
}

// String is the condition as parseCondition reads it.
func (c *condition) String() string {
	var words []string
	for _, s := range c.states {
		words = append(words, string(s))
	}
	between := " "
	if c.negated {
		between = " != "
	}
	return strings.Join(c.words, "/") + between + strings.Join(words, "|")
}

// namedSubject resolves TYPE and [NAMESPACE/]NAME; without a namespace of its
// own, a subject lies in the given one.
func namedSubject(words []string, namespace string, resources []metav1.APIResource) (store.Ref, error) {
	if len(words) == 2 && strings.Contains(words[1], "/") {
		namespace = "" // it says its own
	}
	ref, err := replay.ParseSubject(words, namespace, resources)
	if err == nil && strings.Contains(words[len(words)-1], "/") && len(words) == 2 && ref.Namespace == "" {
		return ref, usageError{fmt.Errorf("%s lie in no namespace: %q", ref.Resource.Resource, strings.Join(words, "/")), ""}
	}
	return ref, err
}

// subjectName is a subject as a user writes it: "services/shop/web".
func subjectName(ref store.Ref) string {
	return report.Clean(store.Subject{Group: ref.Resource.Group, Resource: ref.Resource.Resource, Namespace: ref.Namespace, Name: ref.Name}.String())
}

// shortSubject is a subject where space is short: "shop/web".
func shortSubject(ref store.Ref) string {
	if ref.Namespace == "" {
		return report.Clean(ref.Name)
	}
	return report.Clean(ref.Namespace + "/" + ref.Name)
}
