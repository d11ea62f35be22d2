package expect

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"sigs.k8s.io/yaml"
)

// File is what a file of expectations holds: YAML or JSON.
//
//	apiVersion: svcspy.dev/v1
//	kind: Expectations
//	namespace: shop
//	expectations:
//	- name: a rollout keeps the shop up
//	  expect: svc/web never NotServing|PartiallyServing for more than 5s after Ready
//	alerts:
//	- name: ShopDown
//	  when: svc/web NotServing
//	  for: 30s
type File struct {
	Namespace    string // of subjects that name none
	Expectations []Expectation
	Alerts       []Alert
}

// maxFile is how large a file of expectations may be.
const maxFile = 1 << 20

// ReadFile reads a file of expectations. Errors are *SyntaxError, or of r.
func ReadFile(r io.Reader) (*File, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	bad := func(err error) error {
		return &SyntaxError{err.Error(), "svcspy assert --help shows such a file"}
	}
	if len(raw) > maxFile {
		return nil, bad(fmt.Errorf("it is larger than %d bytes", maxFile))
	}
	var f struct {
		APIVersion   string `json:"apiVersion"`
		Kind         string `json:"kind"`
		Namespace    string `json:"namespace"`
		Expectations []struct {
			Name   string `json:"name"`
			Expect string `json:"expect"`
		} `json:"expectations"`
		Alerts []struct {
			Name string `json:"name"`
			When string `json:"when"`
			For  string `json:"for"`
		} `json:"alerts"`
	}
	if err := yaml.UnmarshalStrict(raw, &f); err != nil {
		return nil, bad(err)
	}
	if f.APIVersion != "svcspy.dev/v1" || f.Kind != "Expectations" {
		return nil, bad(fmt.Errorf("it is %s %s, want svcspy.dev/v1 Expectations", quoted(f.APIVersion), quoted(f.Kind)))
	}
	if len(f.Expectations)+len(f.Alerts) == 0 {
		return nil, bad(errors.New("it contains no expectations"))
	}
	file := &File{Namespace: f.Namespace}
	for _, each := range f.Expectations {
		e, err := Parse(each.Expect)
		if err != nil {
			return nil, err
		}
		e.Name = each.Name
		file.Expectations = append(file.Expectations, e)
	}
	for _, each := range f.Alerts {
		a, err := ParseAlert(each.When, each.For)
		if err != nil {
			return nil, err
		}
		a.Name = each.Name
		file.Alerts = append(file.Alerts, a)
	}
	return file, nil
}

func quoted(text string) string {
	if text == "" {
		return "of no kind"
	}
	return fmt.Sprintf("%q", text)
}

// ParseAlert reads the condition of an alert, TYPE/[NAMESPACE/]NAME [!=] STATE[|STATE...],
// as record --keep-on takes it, and for how long it must hold, "" for not at all.
func ParseAlert(condition, holds string) (Alert, error) {
	bad := func(format string, args ...any) (Alert, error) {
		return Alert{}, &SyntaxError{fmt.Sprintf("alert %q: %s", condition, fmt.Sprintf(format, args...)), "write it as 'svc/web NotServing' or 'svc/shop/web != Serving'"}
	}
	subject, negated, states, err := ParseCondition(condition)
	if err != nil {
		return bad("%v", err)
	}
	a := Alert{Expectation: Expectation{Subject: subject, Quantifier: Never, States: states}}
	if negated {
		a.States = nil
		for _, s := range States {
			if !slices.Contains(states, s) {
				a.States = append(a.States, s)
			}
		}
	}
	if err := a.check(); err != nil {
		return bad("%v", err)
	}
	if holds != "" {
		if a.For, err = duration(holds); err != nil && holds != "0s" && holds != "0" {
			return bad("for: %v", err)
		}
	}
	a.Condition = condition
	return a, nil
}
