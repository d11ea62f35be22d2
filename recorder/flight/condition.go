package flight

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/expect"
	"github.com/svcspy/svcspy/store"
)

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
	subject, negated, states, err := expect.ParseCondition(text)
	if err != nil {
		return Condition{}, &UsageError{fmt.Sprintf("condition %q: %v", text, err), conditionHint}
	}
	kind, name, _ := strings.Cut(subject, "/")
	return Condition{words: []string{kind, name}, negated: negated, states: states}, nil
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
