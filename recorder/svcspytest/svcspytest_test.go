package svcspytest_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcspy/svcspy/recorder/svcspytest"
)

var incident = filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db")

// failures is a test that remembers how it failed.
type failures struct {
	testing.TB
	errors []string
}

func (f *failures) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

// TestExpect: the selector was edited, and 30 seconds later put right.
func TestExpect(t *testing.T) {
	f := &failures{TB: t}
	r := svcspytest.Open(f, incident)
	r.Expect("svc/shop/web eventually NotServing because selector-edited", "svc/shop/web finally Serving", "svc/shop/web never NotServing for more than 40s after start+10s")
	if len(f.errors) > 0 {
		t.Errorf("errors: %q", f.errors)
	}
	r.Expect("svc/shop/web never NotServing for more than 20s", "svc/shop/web always Serving")
	if len(f.errors) != 2 || !strings.Contains(f.errors[0], "selector was changed") || !strings.Contains(f.errors[0], incident) {
		t.Errorf("errors: %q", f.errors)
	}
	states := ""
	for _, s := range r.Verdicts("svc/shop/web") {
		states += string(s.Report.Verdict.State) + " "
	}
	if !strings.Contains(states, "Serving NotServing ") || !strings.HasSuffix(states, "Serving ") {
		t.Errorf("verdicts: %s", states)
	}
}

func ExampleOpen() {
	// In a test of your own:
	test := func(t *testing.T) {
		r := svcspytest.Open(t, "incident.db")
		r.Expect("svc/shop/web never NotServing for more than 5s after Ready")
	}
	_ = test
}
