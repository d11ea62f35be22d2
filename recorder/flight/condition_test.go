package flight

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/expect"
)

func TestParseCondition(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"svc/web NotServing", "svc/web NotServing"},
		{"  svc/shop/web\tnotserving ", "svc/shop/web NotServing"},
		{"svc/web=Serving", "svc/web Serving"},
		{"svc/web == Serving", "svc/web Serving"},
		{"svc/web!=Serving", "svc/web != Serving"},
		{"svc/web != Serving|Converging", "svc/web != Serving|Converging"},
		{"Deployment/api Degraded | NotServing|degraded", "Deployment/api Degraded|NotServing"},
		{"node/worker-1 NotServing", "node/worker-1 NotServing"},
	} {
		c, err := ParseCondition(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
		} else if c.String() != tt.want {
			t.Errorf("%q is %q, want %q", tt.text, c.String(), tt.want)
		}
	}
	for _, text := range []string{
		"", " ", "NotServing", "svc/web", "svc/web ", "svc NotServing", "svc/ NotServing", "/web Serving", "svc/a/b/c Serving",
		"svc/web Broken", "svc/web Serving|", "svc/web |Serving", "svc/web ! Serving", "svc/web = = Serving", "= Serving", "svc/web Serving NotServing",
	} {
		c, err := ParseCondition(text)
		var usage *UsageError
		if !errors.As(err, &usage) || usage.Hint == "" {
			t.Errorf("%q: %+v, %v; want an error with a hint", text, c, err)
		}
	}
}

func TestConditionHolds(t *testing.T) {
	for _, tt := range []struct {
		text  string
		state analyzer.State
		want  bool
	}{
		{"svc/web NotServing", analyzer.NotServing, true},
		{"svc/web NotServing", analyzer.Degraded, false},
		{"svc/web NotServing|Absent", analyzer.Absent, true},
		{"svc/web != Serving|Converging", analyzer.Converging, false},
		{"svc/web != Serving|Converging", analyzer.Unknown, true},
	} {
		c, err := ParseCondition(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Holds(tt.state); got != tt.want {
			t.Errorf("%s of %s: %v, want %v", tt.text, tt.state, got, tt.want)
		}
	}
}

// Every state the analyzer may answer with can be asked for.
func TestConditionKnowsAllStates(t *testing.T) {
	for _, s := range expect.States {
		if c, err := ParseCondition("svc/web " + strings.ToUpper(string(s))); err != nil || !slices.Equal(c.states, []analyzer.State{s}) {
			t.Errorf("%s: %v, %v", s, c.states, err)
		}
	}
}

func TestConditionResolve(t *testing.T) {
	resources := []metav1.APIResource{
		{Version: "v1", Name: "services", SingularName: "service", ShortNames: []string{"svc"}, Kind: "Service", Namespaced: true},
		{Version: "v1", Name: "nodes", SingularName: "node", ShortNames: []string{"no"}, Kind: "Node"},
	}
	for _, tt := range []struct{ text, want string }{
		{"svc/web Serving", "services/shop/web"},
		{"Service/other/web Serving", "services/other/web"},
		{"no/a Serving", "nodes/a"},
		{"no/shop/a Serving", "nodes lie in no namespace: \"no/shop/a\""},
		{"svv/web Serving", "the cluster has no resource type \"svv\""},
	} {
		c, err := ParseCondition(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := c.Resolve("shop", resources); err != nil {
			got = err.Error()
		} else {
			got = SubjectName(c.ref)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

// What is accepted is printed so that it means the same; nothing panics.
func FuzzParseCondition(f *testing.F) {
	for _, seed := range []string{"svc/web NotServing", "svc/shop/web!=Serving|Absent", "deploy/a = Degraded", "svc/web \x00", "svc/é Serving", "//="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			if !errors.As(err, new(*UsageError)) {
				t.Fatalf("%q: %v is not the user's error", text, err)
			}
			return
		}
		again, err := ParseCondition(c.String())
		if err != nil || again.String() != c.String() || !slices.Equal(again.states, c.states) || again.negated != c.negated || !slices.Equal(again.words, c.words) {
			t.Fatalf("%q is printed as %q, which means %+v, %v", text, c.String(), again, err)
		}
	})
}
