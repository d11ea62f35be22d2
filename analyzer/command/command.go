// Package command prints commands for a person to paste into a shell. A Command
// is a list of arguments until it is printed; Quote is the only place in which
// arguments become text. Names, labels and paths come from a cluster or from
// whoever wrote a file: no text of theirs may become a second command.
package command

import (
	"regexp"
	"strings"
	"sync"
)

// Command is a command line: the arguments of one program, or of several that
// a pipe connects. The zero Command prints as nothing.
type Command struct {
	programs [][]string
}

// New returns the command of one program and its arguments.
func New(args ...string) Command { return Command{programs: [][]string{args}} }

// Kubectl returns a kubectl command.
func Kubectl(args ...string) Command {
	return New(append([]string{"kubectl"}, args...)...)
}

// Pipe returns c with its output piped into another program.
func (c Command) Pipe(args ...string) Command {
	return Command{programs: append(c.programs[:len(c.programs):len(c.programs)], args)}
}

// Add returns c with more arguments for its last program.
func (c Command) Add(args ...string) Command {
	n := len(c.programs) - 1
	if n < 0 {
		return New(args...)
	}
	last := append(c.programs[n][:len(c.programs[n]):len(c.programs[n])], args...)
	return Command{programs: append(c.programs[:n:n], last)}
}

// String returns the line to paste: a POSIX shell gives each program exactly
// its arguments. A newline in an argument stays a newline inside quotes; what
// is printed on a terminal is cleaned of it afterwards.
func (c Command) String() string {
	lines := make([]string, len(c.programs))
	for i, args := range c.programs {
		lines[i] = line(args)
	}
	return strings.Join(lines, " | ")
}

func line(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = Quote(arg)
		// -o jsonpath='{.spec}' is how people write it; before the program a
		// word with = would be an assignment.
		if key := assigned().FindString(arg); i > 0 && key != "" && words[i] != arg {
			words[i] = key + Quote(arg[len(key):])
		}
	}
	return strings.Join(words, " ")
}

var (
	plain    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_./:@%+-][A-Za-z0-9_./:=@%+,-]*$`) })
	assigned = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z-][A-Za-z0-9./-]*=`) })
)

// Quote returns a word so that a POSIX shell takes it as one word with exactly
// these bytes. Words that no shell treats specially stay as they are. A NUL,
// which no argument can hold, is dropped.
func Quote(word string) string {
	if plain().MatchString(word) {
		return word
	}
	word = strings.ReplaceAll(word, "\x00", "")
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Object returns the arguments with which kubectl names one object: kind, name
// and, unless namespace is empty, -n. A name that begins with a dash, which no
// API server accepts but a file may hold, is not taken for a flag.
func Object(kind, namespace, name string) []string {
	var args []string
	if namespace != "" {
		args = []string{"-n", namespace}
	}
	if strings.HasPrefix(name, "-") {
		return append(args, kind+"/"+name)
	}
	return append(append([]string{kind}, args...), name)
}
