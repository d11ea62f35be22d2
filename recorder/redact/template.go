package redact

import (
	_ "embed"
	"strings"
	"sync"
)

// templateList are messages of known components. Their words are words of the
// vocabulary; what stands in their slots is a name.
//
//go:embed templates.txt
var templateList string

func templateLines(yield func(string) bool) {
	for line := range strings.Lines(templateList) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && !yield(line) {
			return
		}
	}
}

// templateWords returns the words of the templates, for the vocabulary.
func templateWords() string {
	var words strings.Builder
	for line := range templateLines {
		for _, w := range strings.FieldsFunc(line, func(r rune) bool { return r >= 0x80 || !isAlnum(byte(r)) }) {
			words.WriteString(strings.ToLower(w))
			words.WriteByte(' ')
		}
	}
	return words.String()
}

// slot is the word of a template in whose place a name stands.
const slot = "{}"

// templates are by their first words, in lower case. Each is its words, without
// punctuation.
var templates = sync.OnceValue(func() map[string][][]string {
	byFirst := map[string][][]string{}
	for line := range templateLines {
		if !strings.Contains(line, slot) {
			continue
		}
		var words []string
		for _, item := range lexProse([]byte(strings.ReplaceAll(line, slot, "SLOT"))) {
			word := strings.ToLower(string(item.core([]byte(strings.ReplaceAll(line, slot, "SLOT")))))
			words = append(words, strings.ReplaceAll(word, "slot", slot))
		}
		byFirst[words[0]] = append(byFirst[words[0]], words)
	}
	return byFirst
})
