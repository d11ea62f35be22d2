package analyzer

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// quantity is "1 Pod", "3 Pods".
func quantity(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "y") {
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	if strings.HasSuffix(noun, "s") {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// enumerate is "a, b and 3 more".
func enumerate(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// clock prints a moment the way a sentence about now needs it: the time of day
// in UTC, with the date if it is not of today.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("15:04:05Z")
}

// sentence joins a reason and a message, of which either may be empty or say
// the same.
func sentence(reason, message string) string {
	message = strings.TrimRight(firstWords(message, 160), ". ")
	switch {
	case message == "":
		return reason
	case reason == "" || strings.Contains(message, reason):
		return message
	}
	return reason + ": " + message
}

// firstWords cuts a text to its first line and about so many bytes, between
// words and never inside a character.
func firstWords(text string, most int) string {
	text, _, cut := strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
		if i := strings.LastIndexByte(text, ' '); i > most/2 {
			text = text[:i]
		}
		cut = true
	}
	if cut {
		text += "..."
	}
	return text
}

var digits = regexp.MustCompile(`[0-9a-f]{8,}|[0-9]+`)

// messageClass makes messages comparable that differ in numbers, hashes and
// addresses only.
func messageClass(message string) string { return digits.ReplaceAllString(message, "#") }

// containsAny reports whether text contains one of the words, separated by |.
func containsAny(text, words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// prefixed puts a prefix before text, unless there is none.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// allOf names all of a few things.
func allOf(n int, noun string) string {
	if n == 2 {
		return "both " + noun + "s"
	}
	return "all " + quantity(n, noun)
}
