package flight

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// States are the states that a Condition may ask for.
var States = []analyzer.State{
	analyzer.Absent, analyzer.NotServing, analyzer.PartiallyServing, analyzer.Degraded,
	analyzer.Converging, analyzer.Serving, analyzer.NotSelected, analyzer.Unknown,
}

// Condition is a question about a subject's verdict that can become true:
//
//	TYPE/[NAMESPACE/]NAME [=|==|!=] STATE[|STATE...]
//
// for example `svc/web NotServing`, `svc/shop/web != Serving`.
type Condition struct {
	words   []string // the subject as replay.ParseSubject takes it
	negated bool
	states  []analyzer.State
	ref     store.Ref // set by Resolve
}

const conditionHint = "write it as 'TYPE/[NAMESPACE/]NAME STATE', for example 'svc/web NotServing' or 'svc/shop/web Absent|NotServing'"

// UsageError is a text that cannot be meant; Hint says how to write it.
type UsageError struct{ Problem, Hint string }

func (e *UsageError) Error() string { return e.Problem }

// ParseCondition reads a Condition. Every error is a UsageError.
func ParseCondition(text string) (Condition, error) {
	var c Condition
	fail := func(format string, args ...any) (Condition, error) {
		return Condition{}, &UsageError{fmt.Sprintf("condition %q: %s", text, fmt.Sprintf(format, args...)), conditionHint}
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
		i := slices.IndexFunc(States, func(s analyzer.State) bool { return strings.EqualFold(string(s), word) })
		switch {
		case word == "":
			return fail("a state is missing")
		case i < 0:
			return fail("%q is none of the states %s", word, StateWords(", "))
		case !slices.Contains(c.states, States[i]):
			c.states = append(c.states, States[i])
		}
	}
	return c, nil
}

// ParseConditions reads several Conditions.
func ParseConditions(texts []string) ([]Condition, error) {
	var list []Condition
	for _, text := range texts {
		c, err := ParseCondition(text)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// StateWords returns the States with a separator between them.
func StateWords(between string) string {
	var words []string
	for _, s := range States {
		words = append(words, string(s))
	}
	return strings.Join(words, between)
}

// Ref returns the subject, once it was resolved.
func (c *Condition) Ref() store.Ref { return c.ref }

// Resolve finds the object that the Condition is about in a discovery document.
func (c *Condition) Resolve(namespace string, resources []metav1.APIResource) error {
	ref, err := ParseSubject(c.words, namespace, resources)
	c.ref = ref
	return err
}

// Holds reports whether the Condition is true of a state.
func (c *Condition) Holds(state analyzer.State) bool {
	return slices.Contains(c.states, state) != c.negated
}

// String returns the Condition as ParseCondition reads it.
func (c *Condition) String() string {
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

// ParseSubject resolves TYPE and [NAMESPACE/]NAME with a discovery document. A
// name without a namespace belongs to the given one.
func ParseSubject(words []string, namespace string, resources []metav1.APIResource) (store.Ref, error) {
	if len(words) == 2 && strings.Contains(words[1], "/") {
		namespace = "" // the name has its own
	}
	ref, err := replay.ParseSubject(words, namespace, resources)
	if err == nil && strings.Contains(words[len(words)-1], "/") && len(words) == 2 && ref.Namespace == "" {
		return ref, &UsageError{Problem: fmt.Sprintf("%s lie in no namespace: %q", ref.Resource.Resource, strings.Join(words, "/"))}
	}
	return ref, err
}

// SubjectName returns a subject as a user writes it: "services/shop/web".
func SubjectName(ref store.Ref) string {
	return store.Subject{Group: ref.Resource.Group, Resource: ref.Resource.Resource, Namespace: ref.Namespace, Name: ref.Name}.String()
}
