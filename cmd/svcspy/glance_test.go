package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/fixtures/incidents"
)

// TestGlance looks at ten incidents for ten seconds: 24 lines of 80 columns of what is
// printed into a pipe, and the first screen. fixtures/browser does so with the pages.
func TestGlance(t *testing.T) {
	if testing.Short() {
		t.Skip("opens many recordings")
	}
	program := answering(t)
	dir, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "incidents"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range incidents.Glances {
		g := &incidents.Glances[i]
		t.Run(g.Incident, func(t *testing.T) {
			file, began, err := g.Recording(dir)
			if err != nil {
				t.Fatal(err)
			}
			code, out, errw := program(t.TempDir(), []string{file, "--tz", "UTC"})
			if code != cli.ExitOK {
				t.Fatalf("exit code %d: %s", code, errw)
			}
			printed := firstLines(out)
			if missing := g.Missing(printed, began); len(missing) > 0 {
				slices.Sort(missing)
				t.Errorf("piped, the first 24 lines do not say %s:\n%s", strings.Join(missing, ", "), printed)
			}
			shown := firstScreen(t, file)
			if missing := g.Missing(shown, began); len(missing) > 0 {
				slices.Sort(missing)
				t.Errorf("the screen does not say %s:\n%s", strings.Join(missing, ", "), shown)
			}
		})
	}
}

// firstLines is what a terminal of 80 by 24 shows of a text; longer lines are wrapped.
func firstLines(text string) string {
	rows := strings.Split(ansi.Hardwrap(text, 80, true), "\n")
	return strings.Join(rows[:min(len(rows), 24)], "\n")
}
