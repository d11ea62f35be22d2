package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// SubjectOfRecording checks for a recording and one subject.
func SubjectOfRecording(a *App, command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < 1 || len(args) > 3 {
			return Usage(errors.New(command+" takes a recording and at most one subject"), a.Name+" "+command+" --help shows examples")
		}
		return nil
	}
}

// OneFile accepts exactly one recording.
func OneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return Usage(errors.New(cmd.Name()+" takes one recording"), cmd.CommandPath()+" --help shows examples")
	}
	return nil
}

func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usage(fmt.Errorf("%s takes no arguments, got %q", cmd.Name(), strings.Join(args, " ")), "")
	}
	return nil
}

// PlainName makes a text a name that URLs, contexts and files can have, and that
// is not taken yet: 14:02 is 14-02.
func PlainName(text string, taken map[string]bool) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '.' || r == '-') {
			return r
		}
		return '-'
	}, text)
	name = strings.Trim(name, "-.")
	if name == "" {
		name = "end"
	}
	unique := name
	for n := 2; taken[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", name, n)
	}
	taken[unique] = true
	return unique
}
